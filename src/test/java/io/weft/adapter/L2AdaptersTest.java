package io.weft.adapter;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.OutputStream;
import java.net.URL;
import java.net.URLClassLoader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.jar.JarEntry;
import java.util.jar.JarOutputStream;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class L2AdaptersTest {
  @TempDir Path folder;

  private static String refused(String json) {
    return assertThrows(IllegalArgumentException.class, () -> L2Adapters.find().plan(json))
        .getMessage();
  }

  @Test
  void oursIsFoundWithEveryField() {
    L2AdapterFactory ours = L2Adapters.find().factories().getFirst();
    assertEquals("nvmeof", ours.type());
    List<String> names = ours.fields().stream().map(ConfigField::name).toList();
    ExtraConfig.accepted().keySet().forEach(key -> assertTrue(names.contains("nvmeof." + key)));
    assertTrue(names.containsAll(List.of("weft", "persist_enabled", "close_timeout")));
    for (ConfigField field : ours.fields()) {
      assertFalse(field.help().isBlank(), field.name());
    }
    ConfigField tmo =
        ours.fields().stream()
            .filter(field -> field.name().equals("nvmeof.keep_alive_tmo"))
            .findFirst()
            .orElseThrow();
    assertEquals("5s", tmo.defaultValue());
    assertTrue(tmo.help().contains("sign of life"), tmo::help);
  }

  @Test
  void theDocumentedConfigurationIsTaken() {
    L2Adapters.Plan plan =
        L2Adapters.find()
            .plan(
                """
                {"type": "nvmeof",
                 "nvmeof.mount_path": "/mnt/weft", "nvmeof.transport": "tcp",
                 "nvmeof.traddr": "10.0.0.1,10.0.1.1", "nvmeof.trsvcid": "4420,4420",
                 "nvmeof.subnqn": "nqn.2025-01.org.example:kv", "nvmeof.ctrl_loss_tmo": 30,
                 "nvmeof.auto_connect": true, "persist_enabled": true, "close_timeout": 2.5,
                 "serde": null,
                 "weft": {"capacity": "800GiB", "eviction": {"quota": {"team-a": "200GiB"}}},
                 "eviction": {"eviction_policy": "IsolatedLRU", "trigger_watermark": 0.9}}
                """);
    assertEquals(
        Optional.of(new EvictionSettings(EvictionSettings.Policy.ISOLATED_LRU, 0.9, 0.2)),
        plan.eviction());
    assertFalse(plan.values().containsKey("eviction"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          nonsense                                   | this is no JSON object
          []                                         | this is no JSON object
          null                                       | this is no JSON object
          {"type": "nvmeof", "type": "nvmeof"}       | this is no JSON object
          {}                                         | type = null: name the adapter, one of
          {"type": "nixl"}                           | type = nixl: there is no such adapter
          {"type": "nvmeof", "colour": 3}            | colour = 3: there is no such key
          {"type": "nvmeof", "nvmeof.mount": "/m"}   | nvmeof.mount = /m: there is no such key, only nvmeof.mount_options, nvmeof.mount_path
          {"type": "nvmeof", "nvmeof.nsid": "x"}     | nvmeof.nsid = x: write a whole number
          {"type": "nvmeof", "nvmeof.nsid": 1.5}     | nvmeof.nsid = 1.5: write a whole number
          {"type": "nvmeof", "nvmeof.tls": 7}        | nvmeof.tls = 7: write true or false
          {"type": "nvmeof", "weft": 7}              | weft = 7: write an object
          {"type": "nvmeof", "weft": {"size": 7}}    | weft.size = (not shown): there is no such setting
          {"type": "nvmeof", "weft": {"directory": "/a", "capacity": "lots"}} | weft.capacity = lots:
          {"type": "nvmeof"}                         | weft.directory = : name the directory
          {"type": "nvmeof", "persist_enabled": false} | persist_enabled = false: chunks outlive
          {"type": "nvmeof", "serde": {"type": "a"}} | serde = {type=a}: chunks are stored as they are
          {"type": "nvmeof", "per_op_workers": {}}   | per_op_workers = {}: all operations share
          {"type": "nvmeof", "close_timeout": 0, "weft": {"directory": "/a"}} | close_timeout = 0: write
          {"type": "nvmeof", "eviction": 1}          | eviction = 1: write an object
          {"type": "nvmeof", "eviction": {"x": 1}}   | eviction.x = 1: there is no such key, only
          {"type": "nvmeof", "eviction": {"eviction_policy": "LFU"}} | eviction.eviction_policy = LFU: one of
          {"type": "nvmeof", "eviction": {"eviction_ratio": 2}} | eviction.eviction_ratio = 2.0: write
          {"type": "nvmeof", "eviction": {"trigger_watermark": "x"}} | eviction.trigger_watermark = x: write a number
          """)
  void whatIsWrongIsRefusedWithKeyValueAndMend(String json, String message) {
    String refused = refused(json);
    assertTrue(refused.startsWith(message.replace("`", "").strip()), refused);
  }

  @Test
  void aSecretIsNotShown() {
    for (String key : List.of("nvmeof.dhchap_secret", "nvmeof.tls_key", "nvmeof.nsid", "weft")) {
      String message =
          refused("{\"type\": \"nvmeof\", \"%s\": \"DHHC-1:00:c2VjcmV0:\"}".formatted(key));
      assertTrue(message.contains(key), message);
      assertFalse(message.contains("c2VjcmV0"), message);
    }
  }

  /** Another type comes with its jar, and with nothing else. */
  @Test
  void aJarThatIsDroppedInAddsItsType() throws Exception {
    try (URLClassLoader loader =
        new URLClassLoader(
            new URL[] {jar(folder).toUri().toURL()}, L2AdaptersTest.class.getClassLoader())) {
      L2Adapters adapters = L2Adapters.find(loader);
      assertEquals(
          List.of("dropped", "nvmeof"),
          adapters.factories().stream().map(L2AdapterFactory::type).toList());
      L2Adapters.Plan plan = adapters.plan("{\"type\": \"dropped\", \"size\": 3}");
      assertEquals(3, plan.values().get("size"));
      assertEquals(Optional.empty(), plan.eviction());
      assertThrows(
          IllegalArgumentException.class,
          () -> adapters.plan("{\"type\": \"dropped\", \"size\": \"three\"}"));
      assertThrows(UnsupportedOperationException.class, plan::create);
    }
  }

  /** A jar with a factory of type {@code dropped}, and an entry of a class that is not there. */
  static Path jar(Path folder) throws IOException {
    Path source = folder.resolve("Dropped.java");
    Files.writeString(
        source,
        """
        import io.weft.adapter.*;
        import java.util.*;
        public final class Dropped implements L2AdapterFactory {
          public String type() { return "dropped"; }
          public String description() { return "a type of another jar"; }
          public List<ConfigField> fields() {
            return List.of(new ConfigField("size", ConfigField.Type.INTEGER, "1", "how large"));
          }
          public void check(Map<String, Object> values) {}
          public L2Adapter create(Map<String, Object> values) {
            throw new UnsupportedOperationException("not in this test");
          }
        }
        """);
    String classPath =
        Path.of("target/classes").toAbsolutePath() + ":" + System.getProperty("java.class.path");
    int result =
        ToolProvider.getSystemJavaCompiler()
            .run(null, null, null, "-cp", classPath, "-d", folder.toString(), source.toString());
    assertEquals(0, result, "the factory compiles");
    Path jar = folder.resolve("dropped.jar");
    try (OutputStream out = Files.newOutputStream(jar);
        JarOutputStream entries = new JarOutputStream(out)) {
      entries.putNextEntry(new JarEntry("META-INF/services/io.weft.adapter.L2AdapterFactory"));
      entries.write("NotThere\nDropped\n".getBytes(StandardCharsets.UTF_8));
      entries.putNextEntry(new JarEntry("Dropped.class"));
      entries.write(Files.readAllBytes(folder.resolve("Dropped.class")));
    }
    return jar;
  }
}
