package io.weft.cli;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.typesafe.config.Config;
import io.weft.api.ChunkStore;
import io.weft.api.StoreStatus;
import io.weft.base.ByteSize;
import io.weft.boot.StoreServer;
import java.io.PrintWriter;
import java.net.InetSocketAddress;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * Keeps a store up as a process of its own: attaches the device, keeps it through its losses, lets
 * RESP clients in, says what changes, and takes all down in order when the process is told to end.
 */
@Command(
    name = "serve",
    description = "Keep a store up, open to RESP clients, until told to end; say what changes.",
    mixinStandardHelpOptions = true,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:closed",
      "2:the command line, or the configuration, is not usable",
      "3:the store gave itself up, or an address cannot be listened at",
      "143, 130:told to end, by SIGTERM or from the keyboard"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  weft serve --dir /var/tmp/chunks --capacity 10GiB",
      "  weft serve --config conf/application.conf",
      "  weft serve --config /etc/weft/weft.conf --json",
      "",
      "RESP clients (LMCache, redis-cli) are let in where weft.resp.listeners says, by default at",
      "127.0.0.1:7379. A device that is not there yet is waited for. SIGTERM ends it in order:"
          + " what",
      "is in flight is finished, the index written down, the device unmounted and disconnected."
    })
final class ServeCommand implements Callable<Integer> {
  private static final long LOOK_MILLIS = 500;

  @Spec private @Nullable CommandSpec spec;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description = "The store's configuration, with its weft block.")
  private @Nullable Path config;

  @Option(
      names = "--dir",
      paramLabel = "DIR",
      description = "A plain directory to keep the store in, made where it is not there.")
  private @Nullable Path directory;

  @Option(
      names = "--capacity",
      paramLabel = "SIZE",
      description = "The most that the store takes of the device, as in 10GiB.")
  private @Nullable ByteSize capacity;

  @Option(
      names = "--port",
      paramLabel = "PORT",
      description = "Listen at 127.0.0.1 and this port alone.")
  private @Nullable Integer port;

  @Option(names = "--json", description = "Write each change as one JSON object on a line.")
  private boolean json;

  @Override
  public Integer call() throws CommandFailed {
    var command = Objects.requireNonNull(spec).commandLine();
    if (config == null && directory == null) {
      throw new ParameterException(command, "name the store: --config FILE, or --dir DIR");
    }
    Config merged = OpenStore.configuration(command, options(), config, Map.of());
    // Before there are threads: what they would log meanwhile is announced as intercepted.
    var _ = LoggerFactory.getILoggerFactory();
    StoreServer server;
    try {
      server = StoreServer.start(merged);
    } catch (IllegalArgumentException wrong) {
      throw new ParameterException(command, String.valueOf(wrong.getMessage()), wrong);
    } catch (IllegalStateException cannotListen) {
      throw new CommandFailed(ExitCodes.FAILURE, String.valueOf(cannotListen.getMessage()));
    }
    ChunkStore store = server.store();
    Thread end = new Thread(server::close, "weft-serve-end");
    Runtime.getRuntime().addShutdownHook(end);
    server.resp().addresses().forEach(address -> sayListening(command.getOut(), address));
    String last = "";
    while (true) {
      StoreStatus status = OpenStore.await(store.status());
      String now = status.state() + " " + status.detail() + " " + status.link();
      if (!now.equals(last)) {
        last = now;
        say(command.getOut(), status);
      }
      switch (status.state()) {
        case FAILED -> {
          server.close();
          return ExitCodes.FAILURE;
        }
        case CLOSED -> {
          return ExitCodes.OK;
        }
        case STARTING, UP, DEGRADED, DOWN, DRAINING -> waitForEnd(store);
      }
    }
  }

  private Map<String, Object> options() {
    Map<String, Object> options = new LinkedHashMap<>();
    if (directory != null) {
      options.put("weft.mode", "directory");
      options.put("weft.directory", directory.toString());
    }
    if (capacity != null) {
      options.put("weft.capacity", capacity.bytes());
    }
    if (port != null) {
      options.put("weft.resp.listeners", List.of(Map.of("host", "127.0.0.1", "port", port)));
    }
    return options;
  }

  private static void waitForEnd(ChunkStore store) {
    try {
      store.closed().toCompletableFuture().get(LOOK_MILLIS, TimeUnit.MILLISECONDS);
    } catch (TimeoutException | InterruptedException _) {
      // Still up.
    } catch (ExecutionException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  private void sayListening(PrintWriter out, InetSocketAddress address) {
    String text = address.getAddress().getHostAddress() + ":" + address.getPort();
    if (json) {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("time", time());
      line.put("listening", text);
      out.println(asJson(line));
    } else {
      out.println(time() + " RESP clients are let in at " + text);
    }
    out.flush();
  }

  private static String time() {
    return Instant.now().truncatedTo(ChronoUnit.MILLIS).toString();
  }

  private static String asJson(Map<String, Object> line) {
    try {
      return new ObjectMapper().writeValueAsString(line);
    } catch (JsonProcessingException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  private void say(PrintWriter out, StoreStatus status) {
    String time = time();
    if (json) {
      Map<String, Object> line = new LinkedHashMap<>();
      line.put("time", time);
      line.put("state", status.state().name());
      line.put("detail", status.detail());
      line.put("link", status.link());
      line.put("directory", status.directory());
      line.put("filesystem", status.filesystem());
      line.put("directIo", status.directIo());
      line.put("ioEngine", status.ioEngine());
      line.put("recovery", status.recovery());
      line.put("chunks", status.usage().chunks());
      line.put("usedBytes", status.usage().usedBytes());
      line.put("capacityBytes", status.usage().capacityBytes());
      out.println(asJson(line));
    } else {
      out.println(
          "%s %s (link %s)%s%s"
              .formatted(
                  time,
                  status.state(),
                  status.link(),
                  status.detail().isEmpty() ? "" : ": " + status.detail(),
                  status.state() == StoreStatus.State.UP ? ": " + up(status) : ""));
    }
    out.flush();
  }

  private static String up(StoreStatus status) {
    return "%s; %s of %s used"
        .formatted(
            status.recovery(),
            new ByteSize(status.usage().usedBytes()),
            new ByteSize(status.usage().capacityBytes()));
  }
}
