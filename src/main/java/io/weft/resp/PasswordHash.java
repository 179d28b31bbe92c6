package io.weft.resp;

import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.security.SecureRandom;
import java.util.Base64;
import javax.crypto.SecretKeyFactory;
import javax.crypto.spec.PBEKeySpec;

/**
 * A password as it is kept: {@code pbkdf2-sha256:ITERATIONS:SALT:HASH}, the last two in base64.
 * Making or checking one takes a good part of a second on purpose.
 */
public final class PasswordHash {
  private static final String SCHEME = "pbkdf2-sha256";
  private static final int ITERATIONS = 600_000;
  private static final int ITERATIONS_LEAST = 1_000;
  private static final int ITERATIONS_MOST = 10_000_000;
  private static final int SALT_BYTES = 16;
  private static final int HASH_BYTES = 32;

  private final int iterations;
  private final byte[] salt;
  private final byte[] hash;

  private PasswordHash(int iterations, byte[] salt, byte[] hash) {
    this.iterations = iterations;
    this.salt = salt;
    this.hash = hash;
  }

  /** A new hash of the password, with a salt of its own. */
  public static String make(char[] password) {
    byte[] salt = new byte[SALT_BYTES];
    new SecureRandom().nextBytes(salt);
    byte[] hash = derive(password, salt, ITERATIONS);
    Base64.Encoder base64 = Base64.getEncoder().withoutPadding();
    return String.join(
        ":",
        SCHEME,
        String.valueOf(ITERATIONS),
        base64.encodeToString(salt),
        base64.encodeToString(hash));
  }

  /**
   * @throws IllegalArgumentException where the text is no hash; the message does not repeat it
   */
  public static PasswordHash parse(String text) {
    String[] parts = text.split(":", -1);
    if (parts.length == 4 && parts[0].equals(SCHEME)) {
      try {
        int iterations = Integer.parseInt(parts[1]);
        byte[] salt = Base64.getDecoder().decode(parts[2]);
        byte[] hash = Base64.getDecoder().decode(parts[3]);
        if (iterations >= ITERATIONS_LEAST
            && iterations <= ITERATIONS_MOST
            && salt.length >= 8
            && hash.length == HASH_BYTES) {
          return new PasswordHash(iterations, salt, hash);
        }
      } catch (IllegalArgumentException _) {
        // Said below, without the text.
      }
    }
    throw new IllegalArgumentException("write what 'weft hash-password' prints");
  }

  /** Whether the password is the one; takes the same time either way. */
  boolean matches(char[] password) {
    return MessageDigest.isEqual(hash, derive(password, salt, iterations));
  }

  private static byte[] derive(char[] password, byte[] salt, int iterations) {
    PBEKeySpec spec = new PBEKeySpec(password, salt, iterations, 8 * HASH_BYTES);
    try {
      return SecretKeyFactory.getInstance("PBKDF2WithHmacSHA256").generateSecret(spec).getEncoded();
    } catch (GeneralSecurityException impossible) {
      throw new IllegalStateException(impossible);
    } finally {
      spec.clearPassword();
    }
  }

  /** Without the hash: it has no place in a log. */
  @Override
  public String toString() {
    return "PasswordHash[" + SCHEME + "]";
  }
}
