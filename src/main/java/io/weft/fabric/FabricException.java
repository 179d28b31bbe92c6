package io.weft.fabric;

/**
 * A step of attaching or detaching the device that did not succeed: what kind of trouble it is, and
 * one line for people that says what to do. Holds no secret.
 */
public final class FabricException extends Exception {
  private static final long serialVersionUID = 1L;

  /** What is wrong, as far as an operator's next step depends on it. */
  public enum Kind {
    /** The command is not there, or older than what is needed. */
    NO_COMMAND,
    /** The process may not do that: root, or CAP_SYS_ADMIN, is needed. */
    NO_PERMISSION,
    /** The kernel has no NVMe over Fabrics, or not the transport. */
    NO_KERNEL_SUPPORT,
    /** Nothing listens at the address. */
    REFUSED,
    /** No route, or an address that is none. */
    UNREACHABLE,
    /** The target does not offer the subsystem to this host. */
    WRONG_NQN,
    /** The host NQN is used with another host ID. */
    HOST_IN_USE,
    /** A key or a secret is missing or not accepted. */
    SECRET,
    /** The command did not end in time. */
    TIMEOUT,
    /** The subsystem is not connected, and connecting it is somebody else's business. */
    NOT_CONNECTED,
    /** The subsystem is connected, and the namespace is not there. */
    NO_NAMESPACE,
    /** The namespace is not mounted, and mounting it is somebody else's business. */
    NOT_MOUNTED,
    /** The device has no filesystem, and may not be given one. */
    NOT_FORMATTED,
    /** The device holds another filesystem than the configured one. */
    FOREIGN_FILESYSTEM,
    /** The device is mounted at another place. */
    MOUNTED_ELSEWHERE,
    /** Something else is mounted at the mount point, or files lie there. */
    MOUNT_POINT_IN_USE,
    /** The mount point is not there. */
    NO_MOUNT_POINT,
    /** Somebody still uses the mount or the device. */
    BUSY,
    /** The filesystem is damaged beyond what is repaired without a person. */
    DAMAGED,
    /** Anything else. */
    OTHER
  }

  private final Kind kind;

  public FabricException(Kind kind, String message) {
    super(message);
    this.kind = kind;
  }

  public FabricException(Kind kind, String message, Throwable cause) {
    super(message, cause);
    this.kind = kind;
  }

  public Kind kind() {
    return kind;
  }
}
