package io.weft.resp;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import com.typesafe.config.Config;
import com.typesafe.config.ConfigFactory;
import io.weft.base.RespSettings;
import io.weft.base.StoreSettings;
import io.weft.testing.RespClient;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.slf4j.LoggerFactory;

/**
 * Secrets are where they are checked, and nowhere else: not in a log of any level, a status, a
 * reply, an exception, a text form of the settings, or this process's arguments. nvme-cli's own are
 * the one exception, and documented: NvmeCliTest holds what is shown of them.
 */
class SecretsTest {
  private static final String PASSWORD = "M4rker-of-a-password";
  private static final String WRONG = "M4rker-of-a-guess";
  private static final String MARKER = "M4rker";

  @TempDir Path directory;

  private final List<String> seen = Collections.synchronizedList(new ArrayList<>());

  private void see(Object said) {
    seen.add(String.valueOf(said));
  }

  @Test
  void aPasswordIsNowhereButAtTheDoor() throws Exception {
    Logger root = (Logger) LoggerFactory.getLogger(org.slf4j.Logger.ROOT_LOGGER_NAME);
    Level before = root.getLevel();
    AppenderBase<ILoggingEvent> listening =
        new AppenderBase<>() {
          @Override
          protected void append(ILoggingEvent event) {
            see(event.getFormattedMessage());
            see(event.getThrowableProxy() == null ? "" : event.getThrowableProxy().getMessage());
          }
        };
    listening.start();
    root.addAppender(listening);
    root.setLevel(Level.TRACE);
    String user = RespWorld.user("default", PASSWORD);
    String hash = RespWorld.quickHash(PASSWORD);
    try (RespWorld world = RespWorld.start(directory, user)) {
      try (RespClient client = world.connect()) {
        for (String password : List.of(WRONG, PASSWORD)) {
          see(client.ask("AUTH", password));
          see(client.ask("HELLO", "3", "AUTH", "default", password));
        }
        see(client.ask("AUTH", "nobody", WRONG, "one", "too-many"));
        for (String[] command :
            new String[][] {
              {"INFO"},
              {"CLIENT", "LIST"},
              {"CLIENT", "INFO"},
              {"CONFIG", "GET", "*"},
              {"ACL", "LIST"}
            }) {
          see(client.ask(command));
        }
      }
      see(world.store().status().toCompletableFuture().get(30, TimeUnit.SECONDS));
      see(world.stats());
      see(world.server);
    } finally {
      root.setLevel(before);
      root.detachAppender(listening);
    }
    Config config =
        ConfigFactory.parseString(user)
            .withFallback(ConfigFactory.parseString("weft.directory = /x"))
            .withFallback(ConfigFactory.load());
    see(StoreSettings.from(config));
    see(RespSettings.from(config));
    see(Files.readString(Path.of("/proc/self/cmdline"), StandardCharsets.ISO_8859_1));
    assertTrue(
        seen.stream().anyMatch(said -> said.startsWith("serving")), "the log was listened to");
    for (String said : seen) {
      assertFalse(said.contains(MARKER), said);
      assertFalse(said.contains(hash), "the hash: " + said);
    }
  }

  @Test
  void aPasswordInPlaceOfItsHashIsNotShown() {
    for (String setting :
        List.of(
            "weft.resp.users = [ { name = a, password-hash = \"%s\" } ]",
            "weft.resp.users = [ { name = a, password = \"%s\" } ]", "weft.resp.users = \"%s\"")) {
      Config config =
          ConfigFactory.parseString(setting.formatted(PASSWORD))
              .withFallback(ConfigFactory.parseString("weft.directory = /x"))
              .withFallback(ConfigFactory.load());
      try {
        new Users(RespSettings.from(config).users());
        assertEquals("refused", setting);
      } catch (IllegalArgumentException refused) {
        for (Throwable each = refused; each != null; each = each.getCause()) {
          assertFalse(String.valueOf(each).contains(MARKER), String.valueOf(each));
        }
      }
    }
  }
}
