package io.weft.resp;

import static io.weft.resp.RespWorld.value;
import static io.weft.testing.RespClient.bytes;
import static io.weft.testing.RespClient.command;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.testing.RespClient;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** redis-cli and redis-benchmark, as Debian's package redis-tools has them. */
@Tag("redis-tools")
class RedisToolsTest {
  private static final Path NOTHING = Path.of("/dev/null");

  @TempDir Path directory;
  private final List<String> output = new ArrayList<>();

  /** Runs it to its end; what it printed is in {@link #output}. */
  private String run(RespWorld world, int listener, Path input, String... arguments)
      throws Exception {
    List<String> all = new ArrayList<>();
    all.add(arguments[0]);
    all.addAll(List.of("-h", "127.0.0.1", "-p", String.valueOf(world.address(listener).getPort())));
    all.addAll(List.of(arguments).subList(1, arguments.length));
    File printed = directory.resolve("printed").toFile();
    Process process =
        new ProcessBuilder(all)
            .redirectErrorStream(true)
            .redirectInput(input.toFile())
            .redirectOutput(printed)
            .start();
    assertTrue(process.waitFor(120, TimeUnit.SECONDS), "it hangs");
    String text = Files.readString(printed.toPath(), StandardCharsets.ISO_8859_1);
    output.add(text);
    assertEquals(0, process.exitValue(), text);
    return text;
  }

  private String cli(RespWorld world, String... arguments) throws Exception {
    List<String> all = new ArrayList<>(List.of("redis-cli", "-e"));
    all.addAll(List.of(arguments));
    return run(world, 0, NOTHING, all.toArray(String[]::new)).strip();
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 16})
  void theBenchmarkRuns(int pipeline) throws Exception {
    try (RespWorld world = RespWorld.start(directory.resolve("store"))) {
      String printed =
          run(
              world,
              0,
              NOTHING,
              ("redis-benchmark -t set,get -d 131072 -c 8 -n 800 -r 50 -P " + pipeline).split(" "));
      assertTrue(printed.contains("====== SET ======"), printed);
      assertTrue(printed.contains("====== GET ======"), printed);
      assertTrue(printed.contains("800 requests completed"), printed);
      assertFalse(printed.toLowerCase(java.util.Locale.ROOT).contains("err"), printed);
      assertEquals(0, world.stats().storesDropped());
      world.assertNothingHeld();
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 16})
  void theBenchmarkRunsBehindAPassword(int pipeline) throws Exception {
    try (RespWorld world =
        RespWorld.start(directory.resolve("store"), RespWorld.user("ada", "secret"))) {
      String printed =
          run(
              world,
              0,
              NOTHING,
              ("redis-benchmark --user ada -a secret -t set,get -d 131072 -c 8 -n 800 -P "
                      + pipeline)
                  .split(" "));
      assertTrue(printed.contains("800 requests completed"), printed);
      assertFalse(printed.contains("NOAUTH"), printed);
      assertEquals(0, world.stats().storesDropped());
      world.assertNothingHeld();
    }
  }

  @Test
  void theCommandLineWorks() throws Exception {
    Path file = directory.resolve("value");
    byte[] value = value("file", 1 << 20);
    Files.write(file, value);
    try (RespWorld world = RespWorld.start(directory.resolve("store"))) {
      assertEquals("PONG", cli(world, "PING"));
      assertEquals("OK", cli(world, "SET", "k", "v", "EX", "100"));
      assertEquals("v", cli(world, "GET", "k"));
      assertEquals("v", cli(world, "-3", "GET", "k"));
      assertEquals("100", cli(world, "TTL", "k"));
      assertEquals("OK", run(world, 0, file, "redis-cli", "-e", "-x", "SET", "file").strip());
      try (RespClient client = world.connect()) {
        assertArrayEquals(value, client.get("file"));
      }
      assertEquals(
          "file\nk",
          cli(world, "--scan").lines().sorted().reduce((a, b) -> a + "\n" + b).orElse(""));
      assertTrue(cli(world, "INFO").contains("weft_value_bytes_held:"));
      assertTrue(cli(world, "-3", "INFO", "server").contains("redis_version:"));
      assertTrue(cli(world, "--bigkeys").contains("Biggest string found"));
      assertTrue(cli(world, "COMMAND", "DOCS").isEmpty());
      assertEquals("1", cli(world, "DEL", "k"));
      assertEquals("", cli(world, "GET", "k"));
    }
  }

  @Test
  void manyCommandsArePipedIn() throws Exception {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    for (int i = 0; i < 2_000; i++) {
      all.writeBytes(command(bytes("SET"), bytes("k" + i), value("v" + i, 1_000)));
    }
    Path file = directory.resolve("commands");
    Files.write(file, all.toByteArray());
    try (RespWorld world = RespWorld.start(directory.resolve("store"))) {
      String printed = run(world, 0, file, "redis-cli", "--pipe");
      assertTrue(printed.contains("errors: 0, replies: 2000"), printed);
      world.assertNothingHeld();
    }
  }

  @Test
  void itSpeaksTls() throws Exception {
    TestCertificate certificate = TestCertificate.make(directory, "EC");
    try (RespWorld world =
        RespWorld.start(
            directory.resolve("store"),
            certificate.settings(),
            RespWorld.user("default", "secret"))) {
      String printed =
          run(
              world,
              1,
              NOTHING,
              "redis-cli",
              "-e",
              "--tls",
              "--cacert",
              certificate.chain().toString(),
              "--no-auth-warning",
              "-a",
              "secret",
              "PING");
      assertEquals("PONG", printed.strip());
    }
  }
}
