package io.weft.base;

import com.typesafe.config.Config;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * The door for clients that speak RESP: the {@code weft.resp} block. {@code reference.conf} says
 * what each key means; whatever is wrong fails here, with the key, the value and the mend.
 *
 * @param users who may come in; where there are none, everybody may
 * @param connections how many at once
 * @param pipeline replies that one connection may be owed; it is not read on beyond
 * @param connectionBytes memory for values that one connection may hold
 * @param bytes the same for all connections together; one larger value goes alone
 * @param valueTimeout how long a value may take from its header to its end, and a second for each
 *     MiB of it more; where nothing comes of it, and another connection waits for memory, both for
 *     a tenth of this or half of {@code weft.request-timeout}, it ends then
 * @param writeTimeout how long a client may leave a reply unread, and likewise
 * @param drainTimeout how long a shutdown waits for replies that are owed
 */
public record RespSettings(
    List<Listener> listeners,
    List<User> users,
    int connections,
    int pipeline,
    long connectionBytes,
    long bytes,
    Duration valueTimeout,
    Duration writeTimeout,
    Duration drainTimeout,
    Optional<Tls> tls) {

  /** How replies are worded. */
  public enum Profile {
    /** LMCache's rules while a connection keeps to its commands, Redis's from then on. */
    AUTO,
    /**
     * For LMCache's C++ client, which reads a fixed number of bytes: no error to GET, SET, EXISTS
     * and DEL. A chunk that cannot be stored is dropped, counted, and acknowledged.
     */
    LMCACHE,
    /** Errors as Redis has them. */
    REDIS
  }

  /** One address to listen at. */
  public record Listener(String host, int port, boolean tls, Profile profile) {}

  /**
   * @param passwordHash what {@code weft hash-password} printed
   * @param profile empty: the listener's
   */
  public record User(String name, String passwordHash, Optional<Profile> profile) {
    /** Without the hash: it has no place in a log. */
    @Override
    public String toString() {
      return "User[" + name + "]";
    }
  }

  /** The server's certificate chain and its private key, both PEM. */
  public record Tls(Path certificateFile, Path keyFile) {}

  private static final Set<String> KEYS =
      Set.of(
          "listeners",
          "profile",
          "users",
          "allow-without-password",
          "connections",
          "pipeline",
          "bytes-per-connection",
          "bytes",
          "value-timeout",
          "write-timeout",
          "drain-timeout",
          "tls");

  private static final String LISTENER_FORM = "as in { host = 127.0.0.1, port = 7379 }";
  private static final Set<String> LOOPBACK = Set.of("localhost", "::1", "[::1]");

  /**
   * @param root what {@code ConfigFactory.load()} gives
   * @throws IllegalArgumentException where a value is missing or wrong
   */
  public static RespSettings from(Config root) {
    SettingsReader resp = SettingsReader.weft(root).block("resp");
    resp.only(KEYS);
    resp.block("tls").only(Set.of("certificate-file", "key-file"));
    Profile profile = resp.oneOf("profile", Profile.class);
    List<User> users = users(resp);
    List<Listener> listeners = new ArrayList<>();
    boolean tls = false;
    boolean open = resp.flag("allow-without-password");
    for (SettingsReader block : resp.blocks("listeners")) {
      Listener listener = listener(block, profile);
      if (users.isEmpty() && !open && !isLoopback(listener.host())) {
        throw block.wrong(
            "host",
            listener.host(),
            "whoever reaches it may read and delete every chunk: name weft.resp.users, or listen at"
                + " 127.0.0.1, or set weft.resp.allow-without-password = true");
      }
      tls |= listener.tls();
      listeners.add(listener);
    }
    Optional<Path> certificate = resp.file("tls.certificate-file");
    Optional<Path> key = resp.file("tls.key-file");
    if (tls && certificate.isEmpty()) {
      throw resp.wrong("tls.certificate-file", "", "a listener has tls = true: name the file");
    }
    if (tls && key.isEmpty()) {
      throw resp.wrong("tls.key-file", "", "a listener has tls = true: name the file");
    }
    return new RespSettings(
        List.copyOf(listeners),
        users,
        resp.count("connections", 1, 1 << 20),
        resp.count("pipeline", 1, 1 << 16),
        resp.size("bytes-per-connection", 4096),
        resp.size("bytes", 4096),
        resp.positive("value-timeout"),
        resp.positive("write-timeout"),
        resp.positive("drain-timeout"),
        certificate.flatMap(chain -> key.map(secret -> new Tls(chain, secret))));
  }

  private static Listener listener(SettingsReader block, Profile profile) {
    block.only(Set.of("host", "port", "tls", "profile"));
    String host = block.word("host");
    if (host.isEmpty()) {
      throw block.wrong("host", "", "name the address, " + LISTENER_FORM);
    }
    if (!block.has("port")) {
      throw block.wrong("port", "", "name the port, " + LISTENER_FORM);
    }
    return new Listener(
        host,
        block.count("port", 0, 65_535),
        block.has("tls") && block.flag("tls"),
        block.has("profile") ? block.oneOf("profile", Profile.class) : profile);
  }

  private static List<User> users(SettingsReader resp) {
    List<User> users = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (SettingsReader block : resp.secretBlocks("users")) {
      if (block.has("password")) {
        throw block.wrong(
            "password",
            "***",
            "no password stands here: password-hash = what 'weft hash-password' prints");
      }
      block.only(Set.of("name", "password-hash", "profile"));
      String name = block.word("name");
      if (name.isEmpty()) {
        throw block.wrong("name", "", "name the user; default is who gives a password and no name");
      }
      if (!names.add(name)) {
        throw block.wrong("name", name, "each user once");
      }
      users.add(
          new User(
              name,
              block.word("password-hash"),
              block.has("profile")
                  ? Optional.of(block.oneOf("profile", Profile.class))
                  : Optional.empty()));
    }
    return List.copyOf(users);
  }

  private static boolean isLoopback(String host) {
    return LOOPBACK.contains(host) || host.matches("127(\\.[0-9]{1,3}){3}");
  }
}
