package io.weft.cli;

import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/** A table for people: headings, columns as wide as they need, words left and figures right. */
final class TextTable {
  private static final String GAP = "   ";

  private final List<List<String>> rows = new ArrayList<>();

  TextTable(String... headings) {
    rows.add(List.of(headings));
  }

  /**
   * @param cells one for each heading
   */
  TextTable row(String... cells) {
    if (cells.length != rows.getFirst().size()) {
      throw new IllegalArgumentException(cells.length + " cells under other headings");
    }
    rows.add(List.of(cells));
    return this;
  }

  void print(PrintWriter out) {
    int columns = rows.getFirst().size();
    int[] widths = new int[columns];
    boolean[] figures = new boolean[columns];
    for (int column = 0; column < columns; column++) {
      figures[column] = rows.size() > 1;
      for (int row = 0; row < rows.size(); row++) {
        String cell = rows.get(row).get(column);
        widths[column] = Math.max(widths[column], cell.length());
        figures[column] &= row == 0 || cell.isEmpty() || Character.isDigit(cell.charAt(0));
      }
    }
    for (int row = 0; row < rows.size(); row++) {
      StringBuilder line = new StringBuilder();
      StringBuilder rule = new StringBuilder();
      for (int column = 0; column < columns; column++) {
        String cell = rows.get(row).get(column);
        String padding = " ".repeat(widths[column] - cell.length());
        line.append(figures[column] ? padding + cell : cell + padding).append(GAP);
        rule.append("-".repeat(widths[column])).append(GAP);
      }
      out.println(line.toString().stripTrailing());
      if (row == 0) {
        out.println(rule.toString().stripTrailing());
      }
    }
  }
}
