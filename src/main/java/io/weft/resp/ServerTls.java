package io.weft.resp;

import io.weft.base.RespSettings;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;

/** The server's certificate and key, from PEM files. */
final class ServerTls {
  private static final Pattern KEY =
      Pattern.compile("-----BEGIN PRIVATE KEY-----([^-]+)-----END PRIVATE KEY-----");
  private static final List<String> ALGORITHMS = List.of("RSA", "EC", "EdDSA");

  private ServerTls() {}

  /**
   * @throws IllegalArgumentException where the files cannot be used, with the key and the mend
   */
  static SSLContext context(RespSettings.Tls settings) {
    try {
      Certificate[] chain = chain(settings.certificateFile());
      PrivateKey key = key(settings.keyFile());
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, null);
      char[] password = new char[0];
      store.setKeyEntry("weft", key, password, chain);
      KeyManagerFactory managers =
          KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      managers.init(store, password);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(managers.getKeyManagers(), null, null);
      return context;
    } catch (GeneralSecurityException | IOException unusable) {
      throw wrong("certificate-file", settings.certificateFile(), unusable);
    }
  }

  private static Certificate[] chain(Path file) {
    try {
      Certificate[] chain =
          CertificateFactory.getInstance("X.509")
              .generateCertificates(new ByteArrayInputStream(Files.readAllBytes(file)))
              .toArray(Certificate[]::new);
      if (chain.length == 0) {
        throw wrong("certificate-file", file, new IOException("there is no certificate in it"));
      }
      return chain;
    } catch (GeneralSecurityException | IOException unusable) {
      throw wrong("certificate-file", file, unusable);
    }
  }

  private static PrivateKey key(Path file) {
    byte[] encoded;
    try {
      Matcher pem = KEY.matcher(Files.readString(file, StandardCharsets.US_ASCII));
      if (!pem.find()) {
        throw new IOException(
            "there is no unencrypted PKCS #8 key in it (BEGIN PRIVATE KEY); openssl pkcs8 -topk8"
                + " -nocrypt makes one");
      }
      encoded = Base64.getMimeDecoder().decode(pem.group(1));
    } catch (IOException unusable) {
      throw wrong("key-file", file, unusable);
    }
    for (String algorithm : ALGORITHMS) {
      try {
        return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(encoded));
      } catch (InvalidKeySpecException _) {
        // Of another algorithm.
      } catch (GeneralSecurityException unknown) {
        throw wrong("key-file", file, unknown);
      }
    }
    throw wrong("key-file", file, new IOException("neither RSA, EC nor EdDSA"));
  }

  /** Without the exception's own text where it could hold a part of the key. */
  private static IllegalArgumentException wrong(String key, Path file, Exception cause) {
    return new IllegalArgumentException(
        "weft.resp.tls.%s = %s: %s"
            .formatted(
                key,
                file,
                cause instanceof NoSuchFileException
                    ? "there is no such file"
                    : cause.getMessage()),
        cause);
  }
}
