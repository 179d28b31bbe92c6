package io.weft.nvmeof;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the other tests with this tag stand on: the virtual machine and the target in it. */
@Tag("nvmeof")
class NvmeTargetTest {
  @BeforeAll
  static void up() {
    NvmeTarget.call("up");
  }

  @AfterAll
  static void down() {
    NvmeTarget.call("down");
  }

  @Test
  void thisIsTheVirtualMachine() {
    assertEquals("1", System.getenv("WEFT_VM"));
    assertTrue(Files.isWritable(Path.of("/dev/nvme-fabrics")), "NVMe over Fabrics, as root");
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2})
  void aPathAnswersUnlessItIsCut(int path) throws IOException {
    connect(path);
    NvmeTarget.call("cut", Integer.toString(path));
    assertThrows(ConnectException.class, () -> connect(path));
    NvmeTarget.call("restore", Integer.toString(path));
    connect(path);
  }

  private static void connect(int path) throws IOException {
    try (Socket socket = new Socket()) {
      socket.connect(new InetSocketAddress(NvmeTarget.address(path), NvmeTarget.PORT), 10_000);
    }
  }
}
