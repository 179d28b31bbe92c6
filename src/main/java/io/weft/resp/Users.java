package io.weft.resp;

import io.weft.base.RespSettings;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Who may come in. Checking a password is slow on purpose, and done on one thread of its own, with
 * a bounded line before it; a password that was right once is known again at once, by a keyed
 * digest with a key of this process.
 */
final class Users implements AutoCloseable {
  private static final int WAITING_MAX = 1024;
  private static final String MAC = "HmacSHA256";

  private record Account(RespSettings.User user, PasswordHash hash) {}

  private final Map<String, Account> accounts = new ConcurrentHashMap<>();

  /** Checked where there is no such user, so that the time does not tell. */
  private final Optional<PasswordHash> stranger;

  private final Map<String, byte[]> recognised = new ConcurrentHashMap<>();
  private final SecretKeySpec key;
  private final ThreadPoolExecutor checking =
      new ThreadPoolExecutor(
          1,
          1,
          10,
          TimeUnit.SECONDS,
          new ArrayBlockingQueue<>(WAITING_MAX),
          task -> {
            Thread thread = new Thread(task, "weft-resp-auth");
            thread.setDaemon(true);
            return thread;
          });

  /**
   * @throws IllegalArgumentException where a hash is none, with the key and the mend
   */
  Users(List<RespSettings.User> users) {
    List<PasswordHash> hashes = new ArrayList<>();
    for (int i = 0; i < users.size(); i++) {
      RespSettings.User user = users.get(i);
      try {
        PasswordHash hash = PasswordHash.parse(user.passwordHash());
        hashes.add(hash);
        accounts.put(user.name(), new Account(user, hash));
      } catch (IllegalArgumentException none) {
        throw new IllegalArgumentException(
            "weft.resp.users[%d].password-hash = (not shown): %s".formatted(i, none.getMessage()),
            none);
      }
    }
    stranger = hashes.stream().findFirst();
    byte[] secret = new byte[32];
    new SecureRandom().nextBytes(secret);
    key = new SecretKeySpec(secret, MAC);
    checking.allowCoreThreadTimeOut(true);
  }

  /** Nobody has to say who he is. */
  boolean isEmpty() {
    return accounts.isEmpty();
  }

  /** The user, where name and password are right; completes on any thread. */
  CompletionStage<Optional<RespSettings.User>> check(String name, byte[] password) {
    byte[] digest = digest(name, password);
    Account account = accounts.get(name);
    if (account != null && isRecognised(name, digest)) {
      return CompletableFuture.completedFuture(Optional.of(account.user()));
    }
    try {
      return CompletableFuture.supplyAsync(
          () -> slowly(name, password, digest), (Executor) checking);
    } catch (RejectedExecutionException _) {
      return CompletableFuture.completedFuture(Optional.empty());
    }
  }

  private boolean isRecognised(String name, byte[] digest) {
    byte[] before = recognised.get(name);
    return before != null && MessageDigest.isEqual(before, digest);
  }

  private Optional<RespSettings.User> slowly(String name, byte[] password, byte[] digest) {
    char[] characters = new String(password, StandardCharsets.UTF_8).toCharArray();
    Account account = accounts.get(name);
    if (account == null) {
      stranger.ifPresent(hash -> hash.matches(characters));
      return Optional.empty();
    }
    // Somebody before in the line had the same password: many connect at the same time.
    if (isRecognised(name, digest)) {
      return Optional.of(account.user());
    }
    if (!account.hash().matches(characters)) {
      return Optional.empty();
    }
    recognised.put(name, digest);
    return Optional.of(account.user());
  }

  private byte[] digest(String name, byte[] password) {
    try {
      Mac mac = Mac.getInstance(MAC);
      mac.init(key);
      mac.update(name.getBytes(StandardCharsets.UTF_8));
      mac.update((byte) 0);
      return mac.doFinal(password);
    } catch (GeneralSecurityException impossible) {
      throw new IllegalStateException(impossible);
    }
  }

  @Override
  public void close() {
    checking.shutdown();
  }
}
