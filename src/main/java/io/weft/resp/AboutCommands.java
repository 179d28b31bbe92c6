package io.weft.resp;

import io.weft.api.StoreStatus;
import io.weft.base.ByteSize;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import org.apache.pekko.util.ByteString;
import org.jspecify.annotations.Nullable;

/** Commands that touch no chunk: who speaks, how, with whom. */
final class AboutCommands {
  /** The Redis whose replies ours are like; clients look at it. */
  private static final String REDIS_VERSION = "7.0.0";

  private static final String DEFAULT_USER = "default";

  private final Connection connection;
  private final Door door;
  private final Session session;

  AboutCommands(Connection connection) {
    this.connection = connection;
    this.door = connection.door;
    this.session = connection.session;
  }

  void run(Commands command, List<byte[]> arguments) {
    switch (command) {
      case PING -> ping(arguments);
      case ECHO -> connection.reply(writer().bulk(arguments.get(1)).done());
      case SELECT -> select(arguments.get(1));
      case QUIT -> {
        connection.reply(RespWriter.OK);
        connection.closeAfterReplies();
      }
      case RESET -> {
        session.reset();
        connection.loggedIn();
        connection.reply(writer().simple("RESET").done());
      }
      case AUTH -> auth(arguments);
      case HELLO -> hello(arguments);
      case CLIENT -> client(arguments);
      case COMMAND -> command(arguments);
      case CONFIG -> config(arguments);
      case INFO -> info(arguments);
      default -> throw new IllegalStateException(command + " is for somebody else");
    }
  }

  private RespWriter writer() {
    return new RespWriter(session.resp3);
  }

  private void error(ByteString error) {
    door.stats.errors.increment();
    connection.reply(error);
  }

  private void ping(List<byte[]> arguments) {
    switch (arguments.size()) {
      case 1 -> connection.reply(RespWriter.PONG);
      case 2 -> connection.reply(writer().bulk(arguments.get(1)).done());
      default -> error(Errors.arity(Commands.PING));
    }
  }

  private void select(byte[] database) {
    Long number = SetOptions.number(database);
    if (number == null) {
      error(Errors.NOT_AN_INTEGER);
    } else if (number != 0) {
      error(Errors.DB_INDEX);
    } else {
      connection.reply(RespWriter.OK);
    }
  }

  // ---------------------------------------------------------------- who

  private void auth(List<byte[]> arguments) {
    if (arguments.size() > 3) {
      error(Errors.SYNTAX);
      return;
    }
    if (door.users.isEmpty() && arguments.size() == 2) {
      error(Errors.NO_PASSWORD);
      return;
    }
    String name = arguments.size() == 2 ? DEFAULT_USER : utf8(arguments.get(1));
    login(name, arguments.getLast(), () -> RespWriter.OK);
  }

  /** Nothing else of this connection is done until it is known whether the password is right. */
  private void login(String name, byte[] password, Supplier<ByteString> reply) {
    ReplyLine.Slot slot = connection.replies.slot();
    connection.inUse.beginAlone();
    connection.await(
        door.users.check(name, password),
        user -> {
          connection.inUse.endAlone();
          if (user.isPresent()) {
            session.login(user.get());
            connection.loggedIn();
            slot.ready(reply.get());
          } else {
            door.stats.errors.increment();
            slot.ready(Errors.WRONGPASS);
          }
        });
  }

  private void hello(List<byte[]> arguments) {
    boolean resp3 = session.resp3;
    int at = 1;
    if (arguments.size() > 1) {
      Long version = SetOptions.number(arguments.get(1));
      if (version == null) {
        error(Errors.invalid("Protocol version is not an integer or out of range"));
        return;
      }
      if (version != 2 && version != 3) {
        error(Errors.NOPROTO);
        return;
      }
      resp3 = version == 3;
      at = 2;
    }
    String user = "";
    byte @Nullable [] password = null;
    Optional<String> name = Optional.empty();
    while (at < arguments.size()) {
      String option = Commands.upper(arguments.get(at));
      if (option.equals("AUTH") && at + 2 < arguments.size()) {
        user = utf8(arguments.get(at + 1));
        password = arguments.get(at + 2);
        at += 3;
      } else if (option.equals("SETNAME") && at + 1 < arguments.size()) {
        name = Optional.of(utf8(arguments.get(at + 1)));
        at += 2;
      } else {
        error(Errors.invalid("Syntax error in HELLO option '" + utf8(arguments.get(at)) + "'"));
        return;
      }
    }
    if (name.isPresent() && !isName(name.get())) {
      error(BAD_NAME);
      return;
    }
    boolean newProtocol = resp3;
    Optional<String> newName = name;
    if (password != null) {
      if (door.users.isEmpty()) {
        error(Errors.WRONGPASS);
        return;
      }
      login(user, password, () -> welcome(newProtocol, newName));
    } else if (!session.known()) {
      error(
          RespWriter.error(
              "NOAUTH HELLO must be called with the client already authenticated, otherwise the"
                  + " HELLO <proto> AUTH <user> <pass> option can be used to authenticate the"
                  + " client and select the RESP protocol version at the same time"));
    } else {
      connection.reply(welcome(newProtocol, newName));
    }
  }

  private ByteString welcome(boolean resp3, Optional<String> name) {
    session.resp3 = resp3;
    name.ifPresent(each -> session.name = each);
    return writer()
        .map(7)
        .bulk("server")
        .bulk("redis")
        .bulk("version")
        .bulk(REDIS_VERSION)
        .bulk("proto")
        .integer(resp3 ? 3 : 2)
        .bulk("id")
        .integer(session.id)
        .bulk("mode")
        .bulk("standalone")
        .bulk("role")
        .bulk("master")
        .bulk("modules")
        .array(0)
        .done();
  }

  // ---------------------------------------------------------------- CLIENT

  private static final ByteString BAD_NAME =
      RespWriter.error("ERR Client names cannot contain spaces, newlines or special characters.");

  private static boolean isName(String name) {
    return name.chars().allMatch(c -> c > ' ' && c < 127);
  }

  private void client(List<byte[]> arguments) {
    String subcommand = Commands.upper(arguments.get(1));
    int count = arguments.size();
    switch (subcommand) {
      case "ID" -> connection.reply(RespWriter.number(session.id));
      case "GETNAME" ->
          connection.reply(
              session.name.isEmpty()
                  ? RespWriter.nil(session.resp3)
                  : writer().bulk(session.name).done());
      case "SETNAME" -> {
        if (count != 3) {
          error(Errors.arity(Commands.CLIENT, "setname"));
        } else if (isName(utf8(arguments.get(2)))) {
          session.name = utf8(arguments.get(2));
          connection.reply(RespWriter.OK);
        } else {
          error(BAD_NAME);
        }
      }
      case "SETINFO" -> {
        if (count != 4) {
          error(Errors.arity(Commands.CLIENT, "setinfo"));
        } else if (List.of("LIB-NAME", "LIB-VER").contains(Commands.upper(arguments.get(2)))) {
          connection.reply(RespWriter.OK);
        } else {
          error(Errors.invalid("Unrecognized option '" + utf8(arguments.get(2)) + "'"));
        }
      }
      case "INFO", "LIST" -> connection.reply(writer().text(clientLine() + "\n").done());
      case "NO-EVICT", "NO-TOUCH" -> {
        if (count != 3) {
          error(Errors.arity(Commands.CLIENT, subcommand.toLowerCase(Locale.ROOT)));
        } else {
          connection.reply(RespWriter.OK);
        }
      }
      default -> error(Errors.unknownSubcommand(Commands.CLIENT, arguments.get(1)));
    }
  }

  /** This connection; others are none of its business. */
  private String clientLine() {
    return "id=%d addr=%s name=%s user=%s resp=%d db=0"
        .formatted(
            session.id, session.peer, session.name, session.userName(), session.resp3 ? 3 : 2);
  }

  // ---------------------------------------------------------------- COMMAND

  private void command(List<byte[]> arguments) {
    if (arguments.size() == 1) {
      RespWriter all = writer().array(Commands.values().length);
      for (Commands each : Commands.values()) {
        describe(all, each);
      }
      connection.reply(all.done());
      return;
    }
    List<byte[]> names = arguments.subList(2, arguments.size());
    switch (Commands.upper(arguments.get(1))) {
      case "COUNT" -> connection.reply(RespWriter.number(Commands.values().length));
      case "LIST" -> {
        RespWriter all = writer().array(Commands.values().length);
        for (Commands each : Commands.values()) {
          all.bulk(each.text());
        }
        connection.reply(all.done());
      }
      case "INFO" -> {
        RespWriter some = writer().array(names.size());
        for (byte[] name : names) {
          Commands each = Commands.of(name);
          if (each == null) {
            some.nil();
          } else {
            describe(some, each);
          }
        }
        connection.reply(some.done());
      }
      case "DOCS" -> connection.reply(writer().map(0).done());
      default -> error(Errors.unknownSubcommand(Commands.COMMAND, arguments.get(1)));
    }
  }

  private static void describe(RespWriter writer, Commands command) {
    writer.array(7).bulk(command.text()).integer(command.arity);
    writer.set(command.flags.size());
    command.flags.forEach(writer::simple);
    writer.integer(command.keys.first).integer(command.keys.last).integer(command.keys.step);
    writer.set(0);
  }

  // ---------------------------------------------------------------- CONFIG and INFO

  private void config(List<byte[]> arguments) {
    if (!Commands.upper(arguments.get(1)).equals("GET")) {
      error(Errors.unknownSubcommand(Commands.CONFIG, arguments.get(1)));
      return;
    }
    if (arguments.size() < 3) {
      error(Errors.arity(Commands.CONFIG, "get"));
      return;
    }
    Map<String, String> asked = new LinkedHashMap<>(parameters());
    List<Glob> patterns = new ArrayList<>();
    for (byte[] pattern : arguments.subList(2, arguments.size())) {
      patterns.add(
          new Glob(utf8(pattern).toLowerCase(Locale.ROOT).getBytes(StandardCharsets.UTF_8)));
    }
    asked
        .keySet()
        .removeIf(
            name ->
                patterns.stream()
                    .noneMatch(each -> each.matches(name.getBytes(StandardCharsets.UTF_8))));
    RespWriter writer = writer().map(asked.size());
    asked.forEach((name, value) -> writer.bulk(name).bulk(value));
    connection.reply(writer.done());
  }

  /** What clients and tools ask for, in Redis's names. */
  private Map<String, String> parameters() {
    Map<String, String> all = new LinkedHashMap<>();
    all.put("appendonly", "no");
    all.put("databases", "1");
    all.put("maxclients", String.valueOf(door.settings.connections()));
    all.put("maxmemory", String.valueOf(door.storeSettings.capacityBytes()));
    all.put("maxmemory-policy", "allkeys-" + door.storeSettings.evictionPolicy());
    all.put("proto-max-bulk-len", String.valueOf(door.valueBytesMax()));
    all.put("save", "");
    all.put("timeout", "0");
    return all;
  }

  private void info(List<byte[]> arguments) {
    List<String> asked =
        arguments.stream().skip(1).map(each -> utf8(each).toLowerCase(Locale.ROOT)).toList();
    ReplyLine.Slot slot = connection.replies.slot();
    connection.await(
        door.store.status(), status -> slot.ready(writer().text(info(status, asked)).done()));
  }

  private String info(StoreStatus status, List<String> asked) {
    Map<String, Map<String, Object>> sections = new LinkedHashMap<>();
    RespStats stats = door.stats;
    Duration up = Duration.ofNanos(door.ticker.nanoTime() - door.startedNanos);
    sections.put(
        "Server",
        fields(
            "redis_version",
            REDIS_VERSION,
            "redis_mode",
            "standalone",
            "weft_version",
            version(),
            "weft_state",
            status.state(),
            "weft_detail",
            status.detail(),
            "weft_link",
            status.link(),
            "weft_filesystem",
            status.filesystem(),
            "weft_direct_io",
            status.directIo(),
            "process_id",
            ProcessHandle.current().pid(),
            "uptime_in_seconds",
            up.toSeconds()));
    sections.put(
        "Clients",
        fields(
            "connected_clients",
            door.connections.get(),
            "maxclients",
            door.settings.connections()));
    sections.put(
        "Memory",
        fields(
            "used_memory",
            status.usage().usedBytes(),
            "used_memory_human",
            new ByteSize(status.usage().usedBytes()),
            "maxmemory",
            status.usage().capacityBytes(),
            "maxmemory_policy",
            "allkeys-" + door.storeSettings.evictionPolicy(),
            "weft_value_bytes_held",
            door.permits.held()));
    sections.put(
        "Persistence", fields("loading", status.state() == StoreStatus.State.STARTING ? 1 : 0));
    Map<String, Object> counted =
        fields(
            "total_connections_received",
            stats.connectionsAccepted.sum(),
            "rejected_connections",
            stats.connectionsRefused.sum(),
            "weft_connections_cut",
            stats.connectionsCut.sum(),
            "total_commands_processed",
            stats.commands.sum(),
            "total_error_replies",
            stats.errors.sum(),
            "total_net_input_bytes",
            stats.bytesIn.sum(),
            "total_net_output_bytes",
            stats.bytesOut.sum(),
            "keyspace_hits",
            stats.hits.sum(),
            "keyspace_misses",
            stats.misses.sum(),
            "weft_stores_dropped",
            stats.storesDropped.sum());
    status.counters().forEach((metric, count) -> counted.put("weft_" + metric.label(), count));
    sections.put("Stats", counted);
    sections.put("Replication", fields("role", "master", "connected_slaves", 0));
    sections.put("Cluster", fields("cluster_enabled", 0));
    sections.put(
        "Keyspace",
        fields("db0", "keys=%d,expires=0,avg_ttl=0".formatted(status.usage().chunks())));
    StringBuilder text = new StringBuilder();
    sections.forEach(
        (title, lines) -> {
          String name = title.toLowerCase(Locale.ROOT);
          if (asked.isEmpty()
              || asked.contains(name)
              || asked.stream().anyMatch(List.of("all", "everything", "default")::contains)) {
            text.append(text.isEmpty() ? "" : "\r\n").append("# ").append(title).append("\r\n");
            lines.forEach(
                (key, value) ->
                    text.append(key)
                        .append(':')
                        .append(String.valueOf(value).replace('\n', ' ').replace('\r', ' '))
                        .append("\r\n"));
          }
        });
    return text.toString();
  }

  /** As the jar's manifest has it. */
  private static String version() {
    String version = AboutCommands.class.getPackage().getImplementationVersion();
    return version == null ? "unknown" : version;
  }

  private static Map<String, Object> fields(Object... namesAndValues) {
    Map<String, Object> fields = new LinkedHashMap<>();
    for (int i = 0; i < namesAndValues.length; i += 2) {
      fields.put(String.valueOf(namesAndValues[i]), namesAndValues[i + 1]);
    }
    return fields;
  }

  private static String utf8(byte[] text) {
    return new String(text, StandardCharsets.UTF_8);
  }
}
