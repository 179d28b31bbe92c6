package io.weft.resp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.testing.RespClient;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Many connections that all send values of 1 MiB at once, to a server process with a heap of 512
 * MiB: all are answered, with the right bytes, and its memory is bounded.
 *
 * <p>{@code -Dweft.resp.test-connections=N}, {@code -Dweft.resp.test-rounds=N}; {@code
 * -Dweft.resp.test-report=FILE} takes what was measured.
 */
class RespConnectionsTest {
  private static final int VALUE = 1 << 20;
  private static final int PIECE = 64 << 10;
  private static final byte[] PATTERN = RespWorld.value("pattern", VALUE);

  @TempDir Path directory;

  @Test
  void allAreAnsweredFromABoundedMemory() throws Exception {
    int connections = Integer.getInteger("weft.resp.test-connections", 200);
    int rounds = Integer.getInteger("weft.resp.test-rounds", 3);
    Path collections = directory.resolve("gc.log");
    Path errors = directory.resolve("errors.log");
    Path output = directory.resolve("output.log");
    Process server = start(collections, output, errors);
    String report;
    try {
      InetSocketAddress address = address(output);
      long begun = System.nanoTime();
      all(address, connections, rounds);
      double seconds = (System.nanoTime() - begun) / 1e9;
      String info;
      try (RespClient client = new RespClient(address)) {
        info = client.ask("INFO");
      }
      assertTrue(info.contains("\r\nweft_stores_dropped:0\r\n"), info);
      assertTrue(info.contains("\r\ntotal_error_replies:0\r\n"), info);
      assertTrue(info.contains("\r\nweft_connections_cut:0\r\n"), info);
      assertTrue(info.contains("\r\nweft_value_bytes_held:0\r\n"), info);
      report =
          ("%d connections, each %d times SET and GET of 1 MiB: %.1f s, %.0f MiB/s; %s; heap before"
                  + " a collection at most %d MiB")
              .formatted(
                  connections,
                  rounds,
                  seconds,
                  2.0 * connections * rounds / seconds,
                  peakMemory(server.pid()),
                  peakHeap(collections));
    } finally {
      server.destroy();
      if (!server.waitFor(60, TimeUnit.SECONDS)) {
        server.destroyForcibly();
      }
    }
    assertFalse(Files.readString(errors).contains("OutOfMemoryError"));
    String file = System.getProperty("weft.resp.test-report", "");
    if (!file.isEmpty()) {
      Files.writeString(Path.of(file), report + "\n");
    }
  }

  private Process start(Path collections, Path output, Path errors) throws Exception {
    Path config = directory.resolve("weft.conf");
    Files.writeString(
        config,
        """
        weft {
          directory = "%s"
          capacity = 2GiB
          reserve = 0
          request-timeout = 10m
          resp.listeners = [ { host = 127.0.0.1, port = 0 } ]
        }
        """
            .formatted(directory.resolve("store")));
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "@conf/jvm.options",
            "-Xmx512m",
            "-XX:+ExitOnOutOfMemoryError",
            "-Xlog:gc:file=" + collections,
            "-Dlogback.configurationFile=conf/logback.xml",
            "-cp",
            System.getProperty("java.class.path"),
            "io.weft.cli.Main",
            "serve",
            "--config",
            config.toString())
        .redirectOutput(output.toFile())
        .redirectError(errors.toFile())
        .start();
  }

  private static InetSocketAddress address(Path output) {
    Pattern listening = Pattern.compile("(?s).* at 127\\.0\\.0\\.1:([0-9]+)\n.*");
    Matcher said =
        RespWorld.soon().until(() -> listening.matcher(Files.readString(output)), Matcher::matches);
    return new InetSocketAddress(InetAddress.getLoopbackAddress(), Integer.parseInt(said.group(1)));
  }

  private static void all(InetSocketAddress address, int connections, int rounds) throws Exception {
    CyclicBarrier together = new CyclicBarrier(connections);
    try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
      List<Future<?>> all = new ArrayList<>();
      for (int i = 0; i < connections; i++) {
        int number = i;
        all.add(
            threads.submit(
                () -> {
                  one(address, number, rounds, together);
                  return null;
                }));
      }
      for (Future<?> each : all) {
        each.get(600, TimeUnit.SECONDS);
      }
    }
  }

  private static void one(InetSocketAddress address, int number, int rounds, CyclicBarrier together)
      throws Exception {
    try (RespClient client = new RespClient(address)) {
      client.socket.setSoTimeout(600_000);
      together.await(120, TimeUnit.SECONDS);
      for (int round = 0; round < rounds; round++) {
        byte[] mark = ByteBuffer.allocate(8).putInt(number).putInt(round).array();
        client.raw("*3\r\n$3\r\nSET\r\n$7\r\nk%06d\r\n$%d\r\n".formatted(number, VALUE));
        client.raw(mark);
        for (int at = mark.length; at < VALUE; at += PIECE) {
          client.raw(Arrays.copyOfRange(PATTERN, at, Math.min(at + PIECE, VALUE)));
        }
        client.raw("\r\n");
        assertEquals("+OK", client.reply());
        client.send("GET", "k%06d".formatted(number));
        InputStream value = client.streamed(VALUE);
        assertEquals(Arrays.toString(mark), Arrays.toString(value.readNBytes(mark.length)));
        byte[] piece = new byte[PIECE];
        for (int at = mark.length; at < VALUE; at += PIECE) {
          int length = Math.min(PIECE, VALUE - at);
          assertEquals(length, value.readNBytes(piece, 0, length));
          assertTrue(Arrays.equals(PATTERN, at, at + length, piece, 0, length), "other bytes");
        }
        assertEquals("\r\n", new String(client.read(2), StandardCharsets.ISO_8859_1));
      }
    }
  }

  private static String peakMemory(long process) throws Exception {
    try (var lines = Files.lines(Path.of("/proc", Long.toString(process), "status"))) {
      long kib =
          lines
              .filter(line -> line.startsWith("VmHWM:"))
              .mapToLong(line -> Long.parseLong(line.replaceAll("[^0-9]", "")))
              .findFirst()
              .orElseThrow();
      return "resident at most " + (kib >> 10) + " MiB";
    }
  }

  private static long peakHeap(Path collections) throws Exception {
    Pattern before = Pattern.compile("([0-9]+)M->[0-9]+M");
    long most = 0;
    for (String line : Files.readAllLines(collections)) {
      Matcher matcher = before.matcher(line);
      if (matcher.find()) {
        most = Math.max(most, Long.parseLong(matcher.group(1)));
      }
    }
    return most;
  }
}
