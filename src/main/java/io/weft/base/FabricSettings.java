package io.weft.base;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;

/**
 * How the subsystem is reached and its namespace mounted: the {@code weft.nvmeof} block. Secrets
 * are not in here, only where they are: a file, or the kernel's keyring. Counts of zero and empty
 * texts leave the choice to nvme-cli and the kernel.
 *
 * @param discovery whether {@code paths} lead to discovery services, which name the subsystem's own
 * @param paths the ways to the subsystem; all are connected, one suffices
 * @param subsystemNqn the subsystem's NVMe Qualified Name
 * @param namespaceId the namespace of it that holds the filesystem
 * @param hostNqn how this host calls itself; empty for nvme-cli's own file
 * @param keepAlive passed with every connect, as are {@code reconnectDelay} and {@code
 *     controllerLoss}: a cache wants them short
 * @param controllerLoss after so long without a connection the kernel gives the controller up, and
 *     all that waits for it fails; empty for never
 * @param fastIoFail after so long without a connection the kernel fails what waits, and goes on
 *     connecting; empty for never
 * @param autoDisconnect whether what we connected is disconnected at the end
 * @param command nvme-cli: a name that PATH knows, or a path
 * @param commandTimeout of each command, and of each wait for the state that it is to bring about
 * @param filesystem what the device must hold
 */
public record FabricSettings(
    Transport transport,
    boolean discovery,
    List<PathSettings> paths,
    String subsystemNqn,
    int namespaceId,
    String hostNqn,
    String hostId,
    int ioQueues,
    int writeQueues,
    int pollQueues,
    int queueSize,
    int typeOfService,
    Duration keepAlive,
    Duration reconnectDelay,
    Optional<Duration> controllerLoss,
    Optional<Duration> fastIoFail,
    boolean headerDigest,
    boolean dataDigest,
    boolean disableSubmissionFlow,
    Security security,
    boolean autoConnect,
    boolean autoMount,
    boolean autoDisconnect,
    String command,
    Duration commandTimeout,
    Duration statePollInterval,
    String filesystem,
    String mountOptions,
    Format format) {

  /** How commands and data travel. */
  public enum Transport {
    TCP,
    RDMA,
    FC,
    LOOP
  }

  /** Whether a device without any content is given a filesystem. */
  public enum Format {
    NEVER,
    IF_EMPTY
  }

  /**
   * One way to the subsystem.
   *
   * @param address of the target: an IP address, or a Fibre Channel address; empty for loop
   * @param service the target's port; empty for the transport's default
   * @param hostAddress of this side; empty for the kernel's choice
   * @param hostInterface of this side; empty for the kernel's choice
   */
  public record PathSettings(
      String address, String service, String hostAddress, String hostInterface) {

    /** As in {@code 10.0.0.1:4420}. */
    @Override
    public String toString() {
      return service.isEmpty() ? address : address + ":" + service;
    }
  }

  /**
   * Authentication and encryption. Files hold one line, the key; they are read at every connect.
   *
   * @param hostSecretFile the host's DH-HMAC-CHAP secret
   * @param controllerSecretFile the controller's, for authentication both ways
   * @param tls whether the connection is encrypted
   * @param tlsKeyring the kernel keyring that holds the key; empty for nvme-cli's default
   * @param tlsKeyId the serial number of the key in the keyring
   * @param tlsKeyIdentity the identity of the key in the keyring
   * @param concatenate whether the TLS key is derived from the authentication
   */
  public record Security(
      Optional<Path> hostSecretFile,
      Optional<Path> controllerSecretFile,
      boolean tls,
      String tlsKeyring,
      String tlsKeyId,
      String tlsKeyIdentity,
      boolean concatenate) {
    public static final Security NONE =
        new Security(Optional.empty(), Optional.empty(), false, "", "", "", false);
  }
}
