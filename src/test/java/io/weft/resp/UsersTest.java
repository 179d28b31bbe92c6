package io.weft.resp;

import static io.weft.testing.RespClient.bytes;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.base.RespSettings;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Passwords are kept as hashes, and checked without holding anybody up. */
class UsersTest {
  private final Users users =
      new Users(
          List.of(
              new RespSettings.User("default", RespWorld.quickHash("secret"), Optional.empty()),
              new RespSettings.User("ada", RespWorld.quickHash("l\u00f6ve"), Optional.empty())));

  @AfterEach
  void close() {
    users.close();
  }

  private Optional<String> check(String name, byte[] password) throws Exception {
    return users
        .check(name, password)
        .toCompletableFuture()
        .get(30, TimeUnit.SECONDS)
        .map(RespSettings.User::name);
  }

  @Test
  void theRightPasswordOfTheRightUser() throws Exception {
    assertEquals(Optional.of("default"), check("default", bytes("secret")));
    assertEquals(
        Optional.of("ada"),
        check("ada", "l\u00f6ve".getBytes(java.nio.charset.StandardCharsets.UTF_8)));
    assertEquals(Optional.empty(), check("default", bytes("Secret")));
    assertEquals(Optional.empty(), check("default", bytes("")));
    assertEquals(Optional.empty(), check("ada", bytes("secret")));
    assertEquals(Optional.empty(), check("nobody", bytes("secret")));
    assertEquals(Optional.empty(), check("", bytes("secret")));
    assertEquals(Optional.empty(), check("default", new byte[1 << 20]));
    assertFalse(users.isEmpty());
  }

  @Test
  void whoWasRightOnceIsKnownAtOnce() throws Exception {
    assertEquals(Optional.of("default"), check("default", bytes("secret")));
    assertTrue(users.check("default", bytes("secret")).toCompletableFuture().isDone());
    assertEquals(Optional.empty(), check("default", bytes("other")));
    assertTrue(
        users.check("default", bytes("secret")).toCompletableFuture().isDone(),
        "a wrong one makes nobody forget the right one");
  }

  @Test
  void onlySoManyWait() throws Exception {
    List<CompletableFuture<Optional<RespSettings.User>>> all = new ArrayList<>();
    for (int i = 0; i < 5_000; i++) {
      all.add(users.check("default", bytes("guess" + i)).toCompletableFuture());
    }
    long doneAtOnce = all.stream().filter(CompletableFuture::isDone).count();
    assertTrue(doneAtOnce > 1_000, () -> doneAtOnce + " refused at once");
    for (CompletableFuture<Optional<RespSettings.User>> each : all) {
      assertEquals(Optional.empty(), each.get(60, TimeUnit.SECONDS));
    }
    assertEquals(Optional.of("default"), check("default", bytes("secret")));
  }

  @Test
  void aHashThatIsNoneIsRefusedAndNotShown() {
    String message =
        assertThrows(
                IllegalArgumentException.class,
                () ->
                    new Users(List.of(new RespSettings.User("a", "my password", Optional.empty()))))
            .getMessage();
    assertTrue(message.startsWith("weft.resp.users[0].password-hash = (not shown): "), message);
    assertTrue(message.contains("weft hash-password"), message);
    assertFalse(message.contains("my password"), message);
  }

  @Test
  void everyHashHasItsOwnSalt() {
    String one = PasswordHash.make("x".toCharArray());
    assertNotEquals(one, PasswordHash.make("x".toCharArray()));
    assertTrue(PasswordHash.parse(one).matches("x".toCharArray()));
    assertFalse(PasswordHash.parse(one).matches("y".toCharArray()));
    assertTrue(PasswordHash.parse(one).toString().endsWith("[pbkdf2-sha256]"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "pbkdf2-sha256:1000:c2FsdHNhbHQ",
        "pbkdf2-sha1:1000:c2FsdHNhbHQ:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "pbkdf2-sha256:999:c2FsdHNhbHQ:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "pbkdf2-sha256:99999999999:c2FsdHNhbHQ:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "pbkdf2-sha256:1000:c2FsdA:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "pbkdf2-sha256:1000:c2FsdHNhbHQ:AAAA",
        "pbkdf2-sha256:1000:c2Fs*HNhbHQ:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
      })
  void whatIsNoHash(String text) {
    assertThrows(IllegalArgumentException.class, () -> PasswordHash.parse(text));
  }
}
