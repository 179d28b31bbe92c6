package io.weft.base;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import com.typesafe.config.ConfigObject;
import com.typesafe.config.ConfigValue;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code weft.resp}: the settings and {@code reference.conf} name the same keys. */
class RespSettingsTest {
  private static final Config REFERENCE =
      ConfigFactory.parseFile(Path.of("src/main/resources/reference.conf").toFile());

  private static Config with(String... settings) {
    return ConfigFactory.parseString(String.join("\n", settings)).withFallback(REFERENCE);
  }

  private static String refused(Config config) {
    return assertThrows(IllegalArgumentException.class, () -> RespSettings.from(config))
        .getMessage();
  }

  static Stream<Map.Entry<String, ConfigValue>> entries() {
    Map<String, ConfigValue> keys = new TreeMap<>();
    collect("weft.resp", REFERENCE.getObject("weft.resp"), keys);
    return keys.entrySet().stream();
  }

  private static void collect(String path, ConfigObject block, Map<String, ConfigValue> keys) {
    block.forEach(
        (name, value) -> {
          if (value instanceof ConfigObject inner) {
            collect(path + "." + name, inner, keys);
          } else {
            keys.put(path + "." + name, value);
          }
        });
  }

  @ParameterizedTest
  @MethodSource("entries")
  void everyKeyOfTheReferenceIsRead(Map.Entry<String, ConfigValue> entry) {
    String message = refused(with().withoutPath(entry.getKey()));
    assertTrue(message.startsWith(entry.getKey() + " is missing"), message);
    assertTrue(message.contains("reference.conf"), message);
  }

  @ParameterizedTest
  @MethodSource("entries")
  void everyKeyHasItsCommentRightAboveIt(Map.Entry<String, ConfigValue> entry) {
    assertFalse(entry.getValue().origin().comments().isEmpty(), entry.getKey());
  }

  @ParameterizedTest
  @MethodSource("entries")
  void aValueOfAnotherShapeIsShownUnlessItMayBeAPassword(Map.Entry<String, ConfigValue> entry) {
    String message = refused(with(entry.getKey() + " = [ 7, 8 ]"));
    String shown = entry.getKey().equals("weft.resp.users") ? "(not shown)" : "[7,8]";
    assertTrue(message.startsWith(entry.getKey() + " = " + shown + ": "), message);
  }

  @Test
  void theReferenceListensAtThisMachineOnly() {
    assertEquals(
        List.of(new RespSettings.Listener("127.0.0.1", 7379, false, RespSettings.Profile.AUTO)),
        RespSettings.from(with()).listeners());
  }

  @Test
  void everyValueArrivesAtItsPlace() {
    assertEquals(
        new RespSettings(
            List.of(
                new RespSettings.Listener("0.0.0.0", 3, false, RespSettings.Profile.REDIS),
                new RespSettings.Listener("::1", 0, true, RespSettings.Profile.LMCACHE)),
            List.of(
                new RespSettings.User("default", "h1", Optional.empty()),
                new RespSettings.User("b", "h2", Optional.of(RespSettings.Profile.AUTO))),
            5,
            7,
            11 << 20,
            13 << 20,
            Duration.ofSeconds(17),
            Duration.ofMillis(19),
            Duration.ofMinutes(23),
            Optional.of(new RespSettings.Tls(Path.of("/c"), Path.of("/k")))),
        RespSettings.from(
            with(
                """
                weft.resp {
                  profile = Redis
                  listeners = [
                    { host = 0.0.0.0, port = 3 }
                    { host = "::1", port = 0, tls = on, profile = LMCache }
                  ]
                  users = [
                    { name = default, password-hash = h1 }
                    { name = b, password-hash = h2, profile = auto }
                  ]
                  connections = 5
                  pipeline = 7
                  bytes-per-connection = 11MiB
                  bytes = 13MiB
                  value-timeout = 17s
                  write-timeout = 19ms
                  drain-timeout = 23m
                  tls { certificate-file = /c, key-file = /k }
                }
                """)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"0.0.0.0", "\"::\"", "10.0.0.1", "example.org", "127.example.org"})
  void aListenerThatOthersReachNeedsUsers(String host) {
    String listener = "weft.resp.listeners = [ { host = " + host + ", port = 1 } ]";
    String message = refused(with(listener));
    assertTrue(message.startsWith("weft.resp.listeners[0].host = "), message);
    assertTrue(message.contains("weft.resp.users"), message);
    assertTrue(message.contains("weft.resp.allow-without-password"), message);
    assertEquals(
        1,
        RespSettings.from(with(listener, "weft.resp.allow-without-password = true"))
            .listeners()
            .size());
    assertEquals(
        1,
        RespSettings.from(with(listener, "weft.resp.users = [ { name = a, password-hash = b } ]"))
            .listeners()
            .size());
  }

  @ParameterizedTest
  @ValueSource(strings = {"localhost", "\"::1\"", "127.0.0.1", "127.1.2.3"})
  void aListenerOfThisMachineNeedsNone(String host) {
    assertEquals(
        1,
        RespSettings.from(with("weft.resp.listeners = [ { host = " + host + ", port = 1 } ]"))
            .listeners()
            .size());
  }

  @Test
  void nowhereIsAPlaceToListenToo() {
    assertEquals(List.of(), RespSettings.from(with("weft.resp.listeners = []")).listeners());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          listeners = [ { port = 1 } ]                   | listeners[0].host = : name the address
          listeners = [ { host = a } ]                   | listeners[0].port = : name the port
          listeners = [ { host = localhost, port = 65536 } ]  | listeners[0].port = 65536: from 0 to 65535
          listeners = [ { host = localhost, port = x } ]      | listeners[0].port = x: write a whole number
          listeners = [ { host = localhost, port = 1, tls = maybe } ] | listeners[0].tls = maybe: write true or false
          listeners = [ { host = localhost, port = 1, tls = on } ]    | tls.certificate-file = : a listener has tls = true
          listeners = [ { host = localhost, port = 1, profile = x } ] | listeners[0].profile = x: one of auto, lmcache, redis
          listeners = [ { host = localhost, port = 1, tls = on } ], tls.certificate-file = /c | tls.key-file = : a listener has tls = true
          listeners = 7                                  | listeners = 7: write a list of blocks
          profile = strict                               | profile = strict: one of auto, lmcache, redis
          users = [ { password-hash = a } ]              | users[0].name = : name the user
          users = [ { name = a, password-hash = b }, { name = a, password-hash = c } ] | users[1].name = a: each user once
          users = [ { name = a, password-hash = b, profile = x } ] | users[0].profile = x: one of auto, lmcache, redis
          connections = 0                                | connections = 0: from 1 to 1048576
          pipeline = 0                                   | pipeline = 0: from 1 to 65536
          bytes-per-connection = 1KiB                    | bytes-per-connection = 1KiB: at least 4 KiB
          bytes = lots                                   | bytes = lots: 'lots' is no size: write a number with a unit
          value-timeout = 0s                             | value-timeout = 0s: more than nothing
          write-timeout = 30                             | write-timeout = 30: write a time with a unit
          drain-timeout = -1s                            | drain-timeout = -1s: not negative
          userz = [ { name = a } ]                       | userz = (not shown): there is no such setting; there are
          tls.certificate = /c                           | tls.certificate = (not shown): there is no such setting
          listeners = [ { host = localhost, port = 1, tsl = on } ] | listeners[0].tsl = (not shown): there is no such
          users = [ { name = a, password = hunter2 } ]   | users[0].password = ***: no password stands here
          allow-without-password = perhaps               | allow-without-password = perhaps: write true or false
          """)
  void aWrongValueIsRefusedWithKeyValueAndMend(String setting, String expected) {
    String message = refused(with("weft.resp { " + setting + " }"));
    assertTrue(message.startsWith("weft.resp." + expected), message);
  }

  @Test
  void aHashIsNotShown() {
    assertFalse(
        new RespSettings.User("a", "the hash", Optional.empty()).toString().contains("the hash"));
  }
}
