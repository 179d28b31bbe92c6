package io.weft.cli.chart;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.TreeSet;
import java.util.function.DoubleFunction;

/**
 * A chart of lines over a common x axis, as an SVG picture or an HTML page that needs no other
 * file, no script and no network. The y axis starts at zero. Each line ends in its name and last
 * value, in its own colour (told apart by colour-blind readers too) and with its own marker; each
 * point says its figures when pointed at; the page has them all in a table.
 */
public final class LineChart {

  /**
   * One line.
   *
   * @param points by ascending x
   */
  public record Series(String name, List<Point> points) {
    public Series {
      points = List.copyOf(points);
      if (points.isEmpty()) {
        throw new IllegalArgumentException("the line '" + name + "' has no points");
      }
    }
  }

  /** One point of a line: finite, y not negative. */
  public record Point(double x, double y) {
    public Point {
      if (!Double.isFinite(x) || !Double.isFinite(y) || y < 0) {
        throw new IllegalArgumentException("no point of a chart: " + x + ", " + y);
      }
    }
  }

  private record Reference(String name, double y) {}

  /** Stands beside the end of its line; {@code series} is -1 for a reference. */
  private record Label(String text, double lineX, double lineY, int series) {}

  private static final int WIDTH_MIN = 960;
  private static final int HEIGHT = 560;
  private static final int LEFT = 84;
  private static final int RIGHT = 748;
  private static final int TOP = 96;
  private static final int BOTTOM = 484;
  private static final int LABEL_GAP = 22;

  private static final String INK = "#1f2933";
  private static final String SOFT = "#616e7c";
  private static final String GRID = "#e4e7eb";
  private static final List<String> COLOURS =
      List.of("#0072b2", "#d55e00", "#009e73", "#b5479b", "#8a6d00", "#3aa0d8", "#4d4d4d");

  private final String title;
  private String subtitle = "";
  private String xTitle = "";
  private String yTitle = "";
  private boolean logX;
  private DoubleFunction<String> xFormat = LineChart::plain;
  private DoubleFunction<String> yTickFormat = LineChart::plain;
  private DoubleFunction<String> yFormat = LineChart::plain;
  private final List<Series> series = new ArrayList<>();
  private final List<Reference> references = new ArrayList<>();

  public LineChart(String title) {
    this.title = title;
  }

  public LineChart subtitle(String text) {
    subtitle = text;
    return this;
  }

  /** What the x axis counts, with its unit. */
  public LineChart xTitle(String text) {
    xTitle = text;
    return this;
  }

  /** What the y axis counts, with its unit. */
  public LineChart yTitle(String text) {
    yTitle = text;
    return this;
  }

  /** Equal steps of the x axis are equal factors. All x must be positive. */
  public LineChart logX() {
    logX = true;
    return this;
  }

  public LineChart xFormat(DoubleFunction<String> format) {
    xFormat = format;
    return this;
  }

  /** How the y axis writes its marks, and how a value is written beside a line and in the table. */
  public LineChart yFormat(DoubleFunction<String> ticks, DoubleFunction<String> values) {
    yTickFormat = ticks;
    yFormat = values;
    return this;
  }

  public LineChart line(Series line) {
    series.add(line);
    return this;
  }

  /** A dashed level line through the whole chart: a bound, a target. */
  public LineChart reference(String name, double y) {
    references.add(new Reference(name, y));
    return this;
  }

  /** Whole numbers with thousands separators, others with up to four digits behind the point. */
  public static String plain(double value) {
    if (value == Math.rint(value) && Math.abs(value) < 1e15) {
      return String.format(Locale.ROOT, "%,d", (long) value);
    }
    return String.format(Locale.ROOT, "%.4f", value).replaceAll("0+$", "");
  }

  /** The chart as one SVG document. */
  public String svg() {
    if (series.isEmpty()) {
      throw new IllegalStateException("a chart without lines");
    }
    double xMin = Double.POSITIVE_INFINITY;
    double xMax = Double.NEGATIVE_INFINITY;
    double yMax = 0;
    for (Series line : series) {
      for (Point point : line.points()) {
        xMin = Math.min(xMin, point.x());
        xMax = Math.max(xMax, point.x());
        yMax = Math.max(yMax, point.y());
      }
    }
    for (Reference reference : references) {
      yMax = Math.max(yMax, reference.y());
    }
    if (logX && xMin <= 0) {
      throw new IllegalStateException("a logarithmic axis has no place for " + xMin);
    }
    Scale x = xScale(xMin, xMax);
    double step = niceStep(yMax == 0 ? 1 : yMax, 6);
    double top = Math.max(1, Math.ceil(yMax / step - 1e-9)) * step;
    Scale y = new Scale(0, top, BOTTOM, TOP, false);

    StringBuilder out = new StringBuilder(8192);
    out.append(
        """
        <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" \
        role="img" font-family="system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif">
        """
            .formatted(width(), HEIGHT, width(), HEIGHT));
    out.append("<title>").append(escape(title)).append("</title>\n");
    out.append("<desc>").append(escape(yTitle + " against " + xTitle)).append("</desc>\n");
    rectangle(out, 0, 0, width(), HEIGHT, "#ffffff");
    text(out, 28, 38, "start", 20, INK, "600", title);
    text(out, 28, 62, "start", 13, SOFT, "400", subtitle);

    for (int tick = 0; tick * step <= top + step / 2; tick++) {
      double level = y.at(tick * step);
      stroke(out, LEFT, level, RIGHT, level, tick == 0 ? SOFT : GRID, 1, "");
      text(out, LEFT - 10, level + 4, "end", 13, SOFT, "400", yTickFormat.apply(tick * step));
    }
    xAxis(out, x);
    text(out, (LEFT + RIGHT) / 2.0, BOTTOM + 52, "middle", 14, INK, "400", xTitle);
    out.append("<g transform=\"translate(28 %d) rotate(-90)\">".formatted((TOP + BOTTOM) / 2));
    text(out, 0, 0, "middle", 14, INK, "400", yTitle);
    out.append("</g>\n");

    List<Label> labels = new ArrayList<>();
    for (Reference reference : references) {
      double level = y.at(reference.y());
      stroke(out, LEFT, level, RIGHT, level, SOFT, 1.5, " stroke-dasharray=\"6 5\"");
      labels.add(
          new Label(reference.name() + "  " + yFormat.apply(reference.y()), RIGHT, level, -1));
    }
    for (int index = 0; index < series.size(); index++) {
      Series line = series.get(index);
      String colour = colour(index);
      StringBuilder path = new StringBuilder();
      for (Point point : line.points()) {
        path.append(path.isEmpty() ? "M" : " L")
            .append(number(x.at(point.x())))
            .append(' ')
            .append(number(y.at(point.y())));
      }
      out.append(
          "<path d=\"%s\" fill=\"none\" stroke=\"%s\" stroke-width=\"2.5\""
              .formatted(path, colour));
      out.append(" stroke-linejoin=\"round\" stroke-linecap=\"round\"/>\n");
      for (Point point : line.points()) {
        String figures =
            line.name() + ": " + yFormat.apply(point.y()) + " at " + xFormat.apply(point.x());
        marker(out, index, x.at(point.x()), y.at(point.y()), figures);
      }
      Point last = line.points().getLast();
      labels.add(
          new Label(
              line.name() + "  " + yFormat.apply(last.y()), x.at(last.x()), y.at(last.y()), index));
    }
    legend(out, labels);
    return out.append("</svg>\n").toString();
  }

  /** The chart as one HTML page, with its figures in a table. */
  public String html() {
    StringBuilder rows = new StringBuilder();
    TreeSet<Double> xs = new TreeSet<>();
    series.forEach(line -> line.points().forEach(point -> xs.add(point.x())));
    rows.append("<tr><th>").append(escape(xTitle)).append("</th>");
    series.forEach(line -> rows.append("<th>").append(escape(line.name())).append("</th>"));
    rows.append("</tr>\n");
    for (double x : xs) {
      rows.append("<tr><th>").append(escape(xFormat.apply(x))).append("</th>");
      for (Series line : series) {
        rows.append("<td>");
        line.points().stream()
            .filter(point -> point.x() == x)
            .findFirst()
            .ifPresent(point -> rows.append(escape(yFormat.apply(point.y()))));
        rows.append("</td>");
      }
      rows.append("</tr>\n");
    }
    return """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>%s</title>
    <style>
    body { margin: 2rem auto; max-width: 960px; padding: 0 1rem; color: %s; background: #fff;
           font-family: system-ui, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif; }
    svg { width: 100%%; height: auto; }
    table { border-collapse: collapse; margin: 1rem 28px; font-variant-numeric: tabular-nums; }
    th, td { padding: .35rem .9rem; text-align: right; border-bottom: 1px solid %s; }
    th { font-weight: 600; }
    </style>
    </head>
    <body>
    %s<table>
    <caption hidden>%s</caption>
    %s</table>
    </body>
    </html>
    """
        .formatted(escape(title), INK, GRID, svg(), escape(title + ": " + yTitle), rows);
  }

  /** Wide enough for the longest name beside its line. */
  private int width() {
    int longest = series.stream().mapToInt(line -> line.name().length()).max().orElse(0);
    for (Reference reference : references) {
      longest = Math.max(longest, reference.name().length());
    }
    return Math.max(WIDTH_MIN, RIGHT + 120 + 9 * longest);
  }

  /** Marks at every tick; labels where there is room, round figures before the others. */
  private void xAxis(StringBuilder out, Scale x) {
    List<Double> ticks = xTicks(x);
    List<Double> byRank =
        ticks.stream()
            .sorted(Comparator.comparing(tick -> Math.rint(Math.log10(tick)) != Math.log10(tick)))
            .toList();
    List<double[]> taken = new ArrayList<>();
    for (double tick : byRank) {
      double place = x.at(tick);
      String label = xFormat.apply(tick);
      double half = 4 * label.length() + 4;
      stroke(out, place, BOTTOM, place, BOTTOM + 6, SOFT, 1, "");
      if (taken.stream().noneMatch(t -> t[0] < place + half && place - half < t[1])) {
        text(out, place, BOTTOM + 23, "middle", 13, SOFT, "400", label);
        taken.add(new double[] {place - half, place + half});
      }
    }
  }

  /** Names beside the ends of their lines, moved apart where they would touch. */
  private static void legend(StringBuilder out, List<Label> labels) {
    List<Label> ordered = labels.stream().sorted(Comparator.comparingDouble(Label::lineY)).toList();
    double[] places = new double[ordered.size()];
    double free = TOP - 14;
    for (int i = 0; i < places.length; i++) {
      places[i] = Math.max(ordered.get(i).lineY(), free);
      free = places[i] + LABEL_GAP;
    }
    double limit = BOTTOM;
    for (int i = places.length - 1; i >= 0; i--) {
      places[i] = Math.min(places[i], limit);
      limit = places[i] - LABEL_GAP;
    }
    for (int i = 0; i < places.length; i++) {
      Label label = ordered.get(i);
      double place = places[i];
      String colour = label.series() < 0 ? SOFT : colour(label.series());
      out.append(
          "<path d=\"M%s %s L%s %s\" fill=\"none\" stroke=\"%s\" stroke-opacity=\"0.45\"/>\n"
              .formatted(
                  number(label.lineX() + 9),
                  number(label.lineY()),
                  number(RIGHT + 22),
                  number(place),
                  colour));
      if (label.series() >= 0) {
        marker(out, label.series(), RIGHT + 30, place, label.text());
      }
      text(
          out,
          RIGHT + (label.series() < 0 ? 26 : 42),
          place + 4.5,
          "start",
          13.5,
          colour,
          "600",
          label.text());
    }
  }

  private static String colour(int series) {
    return COLOURS.get(series % COLOURS.size());
  }

  private static void marker(StringBuilder out, int series, double x, double y, String figures) {
    String shape =
        switch (series % 5) {
          case 0 -> "M-4.5 0 A4.5 4.5 0 1 0 4.5 0 A4.5 4.5 0 1 0 -4.5 0 Z";
          case 1 -> "M-4 -4 H4 V4 H-4 Z";
          case 2 -> "M0 -5.5 L5.2 4 H-5.2 Z";
          case 3 -> "M0 -5.8 L5.8 0 L0 5.8 L-5.8 0 Z";
          default -> "M0 5.5 L5.2 -4 H-5.2 Z";
        };
    out.append(
        """
        <path transform="translate(%s %s)" d="%s" fill="%s" stroke="#ffffff" stroke-width="1.5">\
        <title>%s</title></path>
        """
            .formatted(number(x), number(y), shape, colour(series), escape(figures)));
  }

  private static void rectangle(
      StringBuilder out, double x, double y, double width, double height, String fill) {
    out.append(
        "<rect x=\"%s\" y=\"%s\" width=\"%s\" height=\"%s\" fill=\"%s\"/>\n"
            .formatted(number(x), number(y), number(width), number(height), fill));
  }

  private static void stroke(
      StringBuilder out,
      double x1,
      double y1,
      double x2,
      double y2,
      String colour,
      double width,
      String more) {
    out.append(
        "<path d=\"M%s %s L%s %s\" stroke=\"%s\" stroke-width=\"%s\"%s/>\n"
            .formatted(
                number(x1), number(y1), number(x2), number(y2), colour, number(width), more));
  }

  private static void text(
      StringBuilder out,
      double x,
      double y,
      String anchor,
      double size,
      String colour,
      String weight,
      String content) {
    out.append(
        """
        <text x="%s" y="%s" text-anchor="%s" font-size="%s" font-weight="%s" fill="%s" \
        xml:space="preserve">%s</text>
        """
            .formatted(
                number(x), number(y), anchor, number(size), weight, colour, escape(content)));
  }

  /** Leaves room on both sides, so that no marker stands on an axis. */
  private Scale xScale(double min, double max) {
    if (logX) {
      double room = min == max ? 2 : Math.pow(max / min, 0.05);
      return new Scale(min / room, max * room, LEFT, RIGHT, true);
    }
    double room = min == max ? Math.max(1, Math.abs(min)) : (max - min) * 0.05;
    return new Scale(min - room, max + room, LEFT, RIGHT, false);
  }

  private List<Double> xTicks(Scale x) {
    List<Double> ticks = new ArrayList<>();
    if (x.log()) {
      for (double decade = Math.pow(10, Math.floor(Math.log10(x.from())));
          decade <= x.to();
          decade *= 10) {
        for (int factor : new int[] {1, 2, 5}) {
          double tick = decade * factor;
          if (tick >= x.from() && tick <= x.to()) {
            ticks.add(tick);
          }
        }
      }
      if (ticks.size() > 2) {
        return ticks;
      }
      ticks.clear();
    }
    double step = niceStep(x.to() - x.from(), 6);
    for (double tick = Math.ceil(x.from() / step) * step; tick <= x.to(); tick += step) {
      ticks.add(tick);
    }
    return ticks;
  }

  /** A step of 1, 2 or 5 times a power of ten that fits into the range at most that many times. */
  private static double niceStep(double range, int steps) {
    double decade = Math.pow(10, Math.floor(Math.log10(range / steps)));
    for (int factor : new int[] {1, 2, 5}) {
      if (range / (decade * factor) <= steps) {
        return decade * factor;
      }
    }
    return decade * 10;
  }

  private static String number(double value) {
    String digits = String.format(Locale.ROOT, "%.2f", value);
    return digits.replaceAll("\\.?0+$", "");
  }

  private static String escape(String content) {
    return content
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }

  /** From figures to places in the picture. */
  private record Scale(double from, double to, double start, double end, boolean log) {
    double at(double value) {
      double share =
          log ? Math.log(value / from) / Math.log(to / from) : (value - from) / (to - from);
      return start + share * (end - start);
    }
  }
}
