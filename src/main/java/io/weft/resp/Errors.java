package io.weft.resp;

import io.weft.base.Failed;
import io.weft.base.Rejected;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.apache.pekko.util.ByteString;

/** Error replies: Redis's own texts where Redis has the error, else ours, with Redis's codes. */
final class Errors {
  private static final int SHOWN = 128;

  static final ByteString NOAUTH = RespWriter.error("NOAUTH Authentication required.");
  static final ByteString WRONGPASS =
      RespWriter.error("WRONGPASS invalid username-password pair or user is disabled.");
  static final ByteString NO_PASSWORD =
      RespWriter.error(
          "ERR AUTH <password> called without any password configured for the default user. Are"
              + " you sure your configuration is correct?");
  static final ByteString NOPROTO = RespWriter.error("NOPROTO unsupported protocol version");
  static final ByteString SYNTAX = RespWriter.error("ERR syntax error");
  static final ByteString NOT_AN_INTEGER =
      RespWriter.error("ERR value is not an integer or out of range");
  static final ByteString DB_INDEX = RespWriter.error("ERR DB index is out of range");
  static final ByteString INVALID_CURSOR = RespWriter.error("ERR invalid cursor");
  static final ByteString MAX_CLIENTS = RespWriter.error("ERR max number of clients reached");
  static final ByteString HTTP = RespWriter.error("ERR this is no HTTP server");
  static final ByteString ARGUMENT_TOO_LONG =
      RespWriter.error("ERR an argument is longer than this server takes");

  private Errors() {}

  static ByteString arity(Commands command) {
    return RespWriter.error("ERR wrong number of arguments for '" + command.text() + "' command");
  }

  static ByteString arity(Commands command, String subcommand) {
    return RespWriter.error(
        "ERR wrong number of arguments for '" + command.text() + "|" + subcommand + "' command");
  }

  static ByteString expireTime(Commands command) {
    return RespWriter.error("ERR invalid expire time in '" + command.text() + "' command");
  }

  static ByteString unknownCommand(List<byte[]> arguments) {
    StringBuilder beginning = new StringBuilder();
    for (int i = 1; i < arguments.size() && beginning.length() < SHOWN; i++) {
      beginning.append('\'').append(shown(arguments.get(i))).append("' ");
    }
    return RespWriter.error(
        "ERR unknown command '%s', with args beginning with: %s"
            .formatted(shown(arguments.getFirst()), beginning));
  }

  static ByteString unknownSubcommand(Commands command, byte[] subcommand) {
    return RespWriter.error(
        "ERR unknown subcommand '%s'. Try %s HELP.".formatted(shown(subcommand), command.name()));
  }

  static ByteString invalid(String why) {
    return RespWriter.error("ERR " + why);
  }

  static ByteString rejected(Rejected rejected) {
    return RespWriter.error(
        switch (rejected.reason()) {
              case FULL, QUOTA, RESERVE -> "OOM ";
              case BUSY, LINK_DOWN, BREAKER_OPEN, CLOSED -> "TRYAGAIN ";
              case TOO_LARGE, INVALID -> "ERR ";
            }
            + rejected.detail());
  }

  static ByteString failed(Failed failed) {
    return RespWriter.error(
        switch (failed.cause()) {
              case NO_SPACE -> "OOM ";
              case DEADLINE, RESTARTED, CLOSED -> "TRYAGAIN ";
              case DEVICE, INTERNAL -> "ERR ";
            }
            + failed.detail());
  }

  private static String shown(byte[] argument) {
    int length = Math.min(argument.length, SHOWN);
    StringBuilder text = new StringBuilder(length);
    for (char c : new String(argument, 0, length, StandardCharsets.ISO_8859_1).toCharArray()) {
      text.append(c < ' ' ? ' ' : c);
    }
    return text.toString();
  }
}
