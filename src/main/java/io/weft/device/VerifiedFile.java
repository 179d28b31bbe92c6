package io.weft.device;

/**
 * What a verification found of one file of the store.
 *
 * @param path relative to the store's directory
 * @param payloadBytes of a good chunk; 0 otherwise
 * @param physicalBytes what the file takes of the device, where that was asked
 * @param detail what is wrong; empty where nothing is
 * @param quarantined whether it was moved out of the way
 */
public record VerifiedFile(
    String path,
    Verdict verdict,
    long payloadBytes,
    long physicalBytes,
    String detail,
    boolean quarantined) {

  /** What a file is. */
  public enum Verdict {
    /** A chunk whose block and payload are what their checksums say. */
    GOOD,
    /** A chunk's name, and not that chunk's bytes. */
    WRONG,
    /** The device does not give its bytes. */
    UNREADABLE,
    /** What a store that was not finished left; the next start removes it. */
    STAGING,
    /** A chunk of a format that this program does not read. */
    LATER_VERSION,
    /** Not the store's. */
    FOREIGN
  }
}
