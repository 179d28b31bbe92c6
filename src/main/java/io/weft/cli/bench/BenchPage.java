package io.weft.cli.bench;

import io.weft.cli.bench.Bar.Verdict;
import io.weft.cli.bench.Results.Cell;
import io.weft.cli.chart.LineChart;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;

/** The results as one HTML page that needs no other file: charts, bars, and every figure. */
public final class BenchPage {
  private static final List<Measure> PERCENTILES = List.of(Measure.P50, Measure.P99, Measure.P999);

  private final Results results;
  private final List<Verdict> verdicts;
  private final Map<String, String> conditions;

  /**
   * @param conditions where and how the run was made, by name
   */
  public BenchPage(Results results, List<Verdict> verdicts, Map<String, String> conditions) {
    this.results = results;
    this.verdicts = verdicts;
    this.conditions = conditions;
  }

  public String html() {
    StringBuilder body = new StringBuilder(1 << 16);
    body.append("<h1>Weft beside the device and its peers</h1>\n<dl>");
    conditions.forEach(
        (name, value) ->
            body.append("<dt>%s</dt><dd>%s</dd>%n".formatted(escape(name), escape(value))));
    body.append("</dl>\n");
    results.notes().forEach(note -> body.append("<p>").append(escape(note)).append("</p>\n"));
    body.append("<h2>Bars</h2>\n").append(bars());
    for (Workload workload : Workload.values()) {
      if (workload.scripted() && cells(workload).findAny().isPresent()) {
        body.append("<h2>").append(escape(workload.title())).append("</h2>\n");
        append(body, bySize(workload, Measure.MEGABYTES, 1, "MB/s of payload"));
        append(body, bySize(workload, Measure.P99, 1e-3, "p99, ms"));
        sizes(workload).forEach(size -> append(body, percentiles(workload, size)));
      }
    }
    if (cells(Workload.LATENCY).findAny().isPresent()) {
      body.append("<h2>").append(escape(Workload.LATENCY.title())).append("</h2>\n");
      sizes(Workload.LATENCY).forEach(size -> append(body, percentiles(Workload.LATENCY, size)));
    }
    body.append("<h2>All figures</h2>\n<p>Medians over the rounds.</p>\n").append(figures());
    return """
    <!DOCTYPE html>
    <html lang="en">
    <head>
    <meta charset="utf-8">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Weft: bench</title>
    <style>
    body { margin: 2rem auto; max-width: 1200px; padding: 0 1rem; color: #1f2933;
      font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", Helvetica, Arial, sans-serif; }
    svg { max-width: 100%; height: auto; }
    table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
    th, td { border-bottom: 1px solid #e4e7eb; padding: 0.25rem 0.6rem; text-align: right; }
    th:first-child, td:first-child { text-align: left; }
    .missed, .invalid { color: #b02a00; font-weight: 600; }
    .met { color: #00714f; font-weight: 600; }
    dt { float: left; clear: left; width: 11rem; color: #616e7c; }
    dd { margin-left: 12rem; }
    </style>
    </head>
    <body>
    """
        + body
        + "</body>\n</html>\n";
  }

  private java.util.stream.Stream<Cell> cells(Workload workload) {
    return results.cells().stream().filter(cell -> cell.workload() == workload);
  }

  private Set<Integer> sizes(Workload workload) {
    Set<Integer> sizes = new LinkedHashSet<>();
    cells(workload).forEach(cell -> sizes.add(cell.chunkBytes()));
    return sizes;
  }

  private static void append(StringBuilder body, List<String> charts) {
    charts.forEach(body::append);
  }

  /** One line a contender, over the chunk sizes. */
  private List<String> bySize(Workload workload, Measure measure, double factor, String unit) {
    Set<String> contenders = new LinkedHashSet<>();
    cells(workload).forEach(cell -> contenders.add(cell.contender()));
    LineChart chart =
        new LineChart(workload.title() + ": " + unit + " by chunk size")
            .subtitle("medians over the rounds")
            .xTitle("chunk size, KiB")
            .yTitle(unit)
            .yFormat(LineChart::plain, BenchPage::figure)
            .logX();
    boolean any = false;
    for (String contender : contenders) {
      List<LineChart.Point> points = new ArrayList<>();
      for (int size : sizes(workload).stream().sorted().toList()) {
        double value = results.median(new Cell(workload, size, contender), measure) * factor;
        if (Double.isFinite(value)) {
          points.add(new LineChart.Point(size / 1024.0, value));
        }
      }
      if (!points.isEmpty()) {
        chart.line(new LineChart.Series(contender, points));
        any = true;
      }
    }
    return any ? List.of(chart.svg()) : List.of();
  }

  /** One line a contender, over the percentiles. */
  private List<String> percentiles(Workload workload, int size) {
    LineChart chart =
        new LineChart(workload.title() + ", " + Bench.size(size) + ": latency")
            .subtitle("p50, p99 and p99.9, medians over the rounds")
            .xTitle("one operation in so many is slower")
            .yTitle("latency, ms")
            .yFormat(LineChart::plain, BenchPage::figure)
            .logX();
    boolean any = false;
    for (Cell cell : cells(workload).filter(each -> each.chunkBytes() == size).toList()) {
      List<LineChart.Point> points = new ArrayList<>();
      double[] oneIn = {2, 100, 1000};
      for (int i = 0; i < oneIn.length; i++) {
        double value = results.median(cell, PERCENTILES.get(i)) / 1e3;
        if (Double.isFinite(value)) {
          points.add(new LineChart.Point(oneIn[i], value));
        }
      }
      if (!points.isEmpty()) {
        chart.line(new LineChart.Series(cell.contender(), points));
        any = true;
      }
    }
    return any ? List.of(chart.svg()) : List.of();
  }

  private String bars() {
    StringBuilder rows =
        new StringBuilder(
            "<table>\n<tr><th>bar</th><th>contender</th><th>chunk</th><th>value</th><th>bar</th>"
                + "<th></th></tr>\n");
    for (Verdict verdict : verdicts) {
      Bar bar = verdict.bar();
      rows.append(
          "<tr><td>%s</td><td>%s</td><td>%s</td><td>%s</td><td>%s %s</td><td class=\"%s\">%s</td></tr>%n"
              .formatted(
                  escape(bar.what()),
                  escape(bar.cell().contender()),
                  Bench.size(bar.cell().chunkBytes()),
                  figure(verdict.value()),
                  bar.atMost() ? "≤" : "≥",
                  figure(bar.bound()),
                  verdict.state().name().toLowerCase(Locale.ROOT),
                  verdict.state().label()));
    }
    return rows.append("</table>\n").toString();
  }

  private String figures() {
    StringBuilder rows =
        new StringBuilder("<table>\n<tr><th>workload</th><th>chunk</th><th>contender</th>");
    for (Measure measure : Measure.values()) {
      rows.append("<th>").append(escape(measure.title())).append("</th>");
    }
    rows.append("<th></th></tr>\n");
    for (Cell cell : results.cells()) {
      rows.append(
          "<tr><td>%s</td><td>%s</td><td>%s</td>"
              .formatted(
                  escape(cell.workload().title()),
                  Bench.size(cell.chunkBytes()),
                  escape(cell.contender())));
      for (Measure measure : Measure.values()) {
        rows.append("<td>").append(figure(results.median(cell, measure))).append("</td>");
      }
      rows.append("<td class=\"invalid\">")
          .append(escape(results.invalid(cell)))
          .append("</td></tr>\n");
    }
    return rows.append("</table>\n").toString();
  }

  /** With three digits that count, or all of those before the point; empty for none. */
  public static String figure(double value) {
    if (!Double.isFinite(value)) {
      return "";
    }
    double size = Math.abs(value);
    String format = size >= 100 ? "%,.0f" : size >= 10 ? "%.1f" : size >= 0.1 ? "%.2f" : "%.4f";
    return String.format(Locale.ROOT, format, value);
  }

  private static String escape(String content) {
    return content
        .replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }
}
