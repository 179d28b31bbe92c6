package io.weft.resp;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.util.Base64;
import java.util.concurrent.TimeUnit;

/**
 * A certificate for this machine that has signed itself, made anew by the JDK's keytool.
 *
 * @param chain the certificate, PEM
 * @param key its private key, PEM
 * @param trust a key store that trusts it, PKCS #12
 */
record TestCertificate(Path chain, Path key, Path trust) {
  static final String PASSWORD = "changeit";

  static TestCertificate make(Path directory, String algorithm) throws Exception {
    Path both = directory.resolve(algorithm + ".p12");
    Process keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "weft",
                "-keyalg",
                algorithm,
                "-dname",
                "CN=localhost",
                "-ext",
                "SAN=dns:localhost,ip:127.0.0.1",
                "-ext",
                "BC=ca:true",
                "-validity",
                "2",
                "-storetype",
                "PKCS12",
                "-keystore",
                both.toString(),
                "-storepass",
                PASSWORD)
            .redirectErrorStream(true)
            .redirectOutput(directory.resolve("keytool.log").toFile())
            .start();
    assertEquals(true, keytool.waitFor(60, TimeUnit.SECONDS));
    assertEquals(0, keytool.exitValue());
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(both)) {
      store.load(in, PASSWORD.toCharArray());
    }
    Certificate certificate = store.getCertificate("weft");
    Path chain = directory.resolve(algorithm + ".crt");
    pem(chain, "CERTIFICATE", certificate.getEncoded());
    Path key = directory.resolve(algorithm + ".key");
    pem(key, "PRIVATE KEY", store.getKey("weft", PASSWORD.toCharArray()).getEncoded());
    KeyStore trusting = KeyStore.getInstance("PKCS12");
    trusting.load(null, null);
    trusting.setCertificateEntry("weft", certificate);
    Path trust = directory.resolve(algorithm + "-trust.p12");
    try (var out = Files.newOutputStream(trust)) {
      trusting.store(out, PASSWORD.toCharArray());
    }
    return new TestCertificate(chain, key, trust);
  }

  private static void pem(Path file, String title, byte[] content) throws Exception {
    String body = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(content);
    Files.writeString(
        file,
        "-----BEGIN %1$s-----\n%2$s\n-----END %1$s-----\n".formatted(title, body),
        StandardCharsets.US_ASCII);
  }

  /** The settings of a listener with it, beside a plain one. */
  String settings() {
    return """
    weft.resp {
      listeners = [
        { host = 127.0.0.1, port = 0 }
        { host = 127.0.0.1, port = 0, tls = true }
      ]
      tls { certificate-file = "%s", key-file = "%s" }
    }
    """
        .formatted(chain, key);
  }
}
