package io.weft.fabric;

import java.util.ArrayList;
import java.util.List;

/**
 * A command as a list of arguments; never a shell string. Arguments that are secrets are run as
 * they are and shown as {@code ***}.
 */
public final class CommandLine {
  private static final String HIDDEN = "***";

  private final List<String> arguments = new ArrayList<>();
  private final List<String> shown = new ArrayList<>();
  private final List<String> secrets = new ArrayList<>();

  public CommandLine(String command, String... arguments) {
    add(command);
    for (String argument : arguments) {
      add(argument);
    }
  }

  public CommandLine add(String argument) {
    arguments.add(argument);
    shown.add(argument);
    return this;
  }

  /** {@code --name=value}: one argument, so that no value can become an option of its own. */
  public CommandLine option(String name, Object value) {
    return add("--" + name + "=" + value);
  }

  /** {@link #option}, with a value that is never shown. */
  public CommandLine secretOption(String name, String value) {
    arguments.add("--" + name + "=" + value);
    shown.add("--" + name + "=" + HIDDEN);
    secrets.add(value);
    return this;
  }

  /** A text of the command's own, which may repeat its arguments, without the secrets. */
  String hide(String text) {
    String hidden = text;
    for (String secret : secrets) {
      hidden = hidden.replace(secret, HIDDEN);
    }
    return hidden;
  }

  public List<String> arguments() {
    return List.copyOf(arguments);
  }

  /** For people: secrets hidden. */
  @Override
  public String toString() {
    return String.join(" ", shown);
  }
}
