package io.weft.resp;

/** Where a coverage-guided fuzzer comes in: {@code scripts/fuzz resp}. */
public final class DecoderFuzz {
  private DecoderFuzz() {}

  /**
   * @param bytes the first says how the rest is cut
   */
  public static void fuzzerTestOneInput(byte[] bytes) {
    if (bytes.length > 1) {
      int longest = 1 + (bytes[0] & 0xff);
      DecoderRun.check(
          java.util.Arrays.copyOfRange(bytes, 1, bytes.length), at -> 1 + at * 31 % longest);
    }
  }
}
