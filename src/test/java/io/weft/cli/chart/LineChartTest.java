package io.weft.cli.chart;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.StringReader;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.xml.parsers.DocumentBuilderFactory;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;
import org.xml.sax.InputSource;

class LineChartTest {
  private static final Pattern POINT = Pattern.compile("[ML](\\S+) (\\S+)");

  @Test
  void drawsEveryLineWithItsNameAxesAndUnits() throws Exception {
    Document svg = parse(chart().svg());
    List<String> texts = texts(svg);
    for (String text :
        List.of(
            "Hits",
            "of <a> & \"b\"",
            "capacity (chunks)",
            "hit ratio",
            "one  0.4",
            "two  0.2",
            "bound  0.45",
            "100",
            "1,000",
            "0",
            "0.5")) {
      assertTrue(texts.contains(text), text + " in " + texts);
    }
    assertEquals(2, lines(svg).size());
    assertFalse(chart().svg().contains("NaN"));
  }

  @Test
  void equalFactorsAreEqualStepsOnALogarithmicAxis() throws Exception {
    List<double[]> points = lines(parse(chart().svg())).getFirst();
    assertEquals(points.get(1)[0] - points.get(0)[0], points.get(2)[0] - points.get(1)[0], 0.02);
    assertTrue(points.get(0)[1] > points.get(2)[1], "more is higher up");
    assertEquals(484 - 388 * 0.4 / 0.5, points.get(2)[1], 0.02);
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, 0.5, 1})
  void namesDoNotTouchWhereLinesEndTogether(double end) throws Exception {
    LineChart chart = new LineChart("many");
    for (int line = 0; line < 9; line++) {
      chart.line(series("line" + line, 1, 1, 2, end + 1e-9 * line));
    }
    NodeList all = parse(chart.svg()).getElementsByTagName("text");
    List<Double> places = new ArrayList<>();
    for (int i = 0; i < all.getLength(); i++) {
      Element text = (Element) all.item(i);
      if (text.getTextContent().startsWith("line")) {
        assertTrue(Double.parseDouble(text.getAttribute("y")) > 80, "below the heading");
        places.add(Double.parseDouble(text.getAttribute("y")));
      }
    }
    assertEquals(9, places.size());
    places.sort(null);
    for (int i = 1; i < places.size(); i++) {
      assertTrue(places.get(i) - places.get(i - 1) >= 20, places.toString());
    }
  }

  @Test
  void onePointAndZerosAreAChartToo() throws Exception {
    for (String svg :
        List.of(
            new LineChart("p").logX().line(series("a", 5, 0)).svg(),
            new LineChart("p").line(series("a", 0, 0)).svg(),
            new LineChart("p").line(series("a", 1e9, 3e12, 2e9, 1)).svg())) {
      assertEquals(1, lines(parse(svg)).size());
      assertFalse(svg.contains("NaN") || svg.contains("Infinity"), svg);
    }
  }

  @Test
  void thePageHasTheFiguresAndNeedsNothingElse() {
    String page = chart().html();
    assertTrue(page.contains("<svg ") && page.startsWith("<!DOCTYPE html>"));
    assertTrue(page.contains("<tr><th>100</th><td>0.1</td><td></td></tr>"), page);
    assertTrue(page.contains("of &lt;a&gt; &amp; &quot;b&quot;"));
    assertFalse(page.contains("<script") || page.contains("<link") || page.contains("src="));
  }

  @Test
  void whatCannotBeDrawnIsRefused() {
    assertThrows(IllegalStateException.class, () -> new LineChart("none").svg());
    assertThrows(IllegalArgumentException.class, () -> new LineChart.Point(Double.NaN, 1));
    assertThrows(IllegalArgumentException.class, () -> new LineChart.Point(1, -1));
    assertThrows(IllegalArgumentException.class, () -> new LineChart.Series("a", List.of()));
    LineChart zero = new LineChart("zero").logX().line(series("a", 0, 1));
    assertThrows(IllegalStateException.class, zero::svg);
  }

  private static LineChart chart() {
    return new LineChart("Hits")
        .subtitle("of <a> & \"b\"")
        .xTitle("capacity (chunks)")
        .yTitle("hit ratio")
        .logX()
        .reference("bound", 0.45)
        .line(series("one", 100, 0.1, 1_000, 0.3, 10_000, 0.4))
        .line(series("two", 1_000, 0.2));
  }

  private static LineChart.Series series(String name, double... coordinates) {
    List<LineChart.Point> points = new ArrayList<>();
    for (int i = 0; i < coordinates.length; i += 2) {
      points.add(new LineChart.Point(coordinates[i], coordinates[i + 1]));
    }
    return new LineChart.Series(name, points);
  }

  private static Document parse(String svg) throws Exception {
    return DocumentBuilderFactory.newInstance()
        .newDocumentBuilder()
        .parse(new InputSource(new StringReader(svg)));
  }

  private static List<String> texts(Document svg) {
    List<String> texts = new ArrayList<>();
    NodeList all = svg.getElementsByTagName("text");
    for (int i = 0; i < all.getLength(); i++) {
      texts.add(all.item(i).getTextContent());
    }
    return texts;
  }

  /** The places of the points of each line, in pixels. */
  private static List<List<double[]>> lines(Document svg) {
    List<List<double[]>> lines = new ArrayList<>();
    NodeList all = svg.getElementsByTagName("path");
    for (int i = 0; i < all.getLength(); i++) {
      Element path = (Element) all.item(i);
      if (path.getAttribute("stroke-width").equals("2.5")) {
        List<double[]> points = new ArrayList<>();
        Matcher matcher = POINT.matcher(path.getAttribute("d"));
        while (matcher.find()) {
          points.add(
              new double[] {
                Double.parseDouble(matcher.group(1)), Double.parseDouble(matcher.group(2))
              });
        }
        lines.add(points);
      }
    }
    return lines;
  }
}
