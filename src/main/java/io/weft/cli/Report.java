package io.weft.cli;

import com.fasterxml.jackson.core.JsonGenerator;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * What a command has to say at its end, once for people and once for machines: figures under
 * headings, printed as a table, or the same figures as one JSON object.
 */
final class Report {
  private static final ObjectWriter JSON =
      new ObjectMapper()
          .writerWithDefaultPrettyPrinter()
          .with(JsonGenerator.Feature.WRITE_BIGDECIMAL_AS_PLAIN);

  /**
   * @param text null for the heading itself
   */
  private record Line(String label, @Nullable String text) {}

  private final Map<String, Object> root = new LinkedHashMap<>();
  private final List<Line> lines = new ArrayList<>();
  private Map<String, Object> section = root;

  /** Begins a section: a heading of the table, an object in the JSON. */
  Report section(String key, String heading) {
    section = new LinkedHashMap<>();
    root.put(key, section);
    lines.add(new Line(heading, null));
    return this;
  }

  /**
   * Adds a figure.
   *
   * @param value for machines: a number, a boolean, a string, a list or map of those, or null
   * @param text for people, with its unit
   */
  Report add(String key, @Nullable Object value, String label, String text) {
    section.put(key, value);
    lines.add(new Line(label, text));
    return this;
  }

  /** Adds what only machines read. */
  Report addSilently(String key, @Nullable Object value) {
    section.put(key, value);
    return this;
  }

  /** Adds the bytes of each salt: a line a salt for people, one object for machines. */
  Report bySalt(Map<String, Long> bytesBySalt) {
    addSilently("bySalt", bytesBySalt);
    bytesBySalt.forEach(
        (salt, bytes) -> add("bySalt", bytesBySalt, "  salt '" + salt + "'", Figures.bytes(bytes)));
    return this;
  }

  /** Adds what only machines read, beside the sections. */
  Report addToRoot(String key, Object value) {
    root.put(key, value);
    return this;
  }

  Report count(String key, long count, String label) {
    return add(key, count, label, Figures.count(count));
  }

  Report bytes(String key, long bytes, String label) {
    return add(key, bytes, label, Figures.exactBytes(bytes));
  }

  Report ratio(String key, double ratio, String label) {
    return add(key, Figures.rounded(ratio, 4), label, Figures.ratio(ratio));
  }

  Report text(String key, String text, String label) {
    return add(key, text, label, text);
  }

  void print(PrintWriter out, boolean json) {
    if (json) {
      printJson(out, root);
      return;
    }
    int width = 0;
    for (Line line : lines) {
      width = line.text() == null ? width : Math.max(width, line.label().length());
    }
    boolean first = true;
    for (Line line : lines) {
      if (line.text() == null) {
        out.println((first ? "" : System.lineSeparator()) + line.label());
      } else {
        out.println(
            "  " + line.label() + " ".repeat(width - line.label().length() + 3) + line.text());
      }
      first = false;
    }
    out.flush();
  }

  /** Writes maps, lists and plain values as one JSON text. */
  static void printJson(PrintWriter out, Object value) {
    try {
      out.println(JSON.writeValueAsString(value));
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException("a report holds plain values only", impossible);
    }
    out.flush();
  }
}
