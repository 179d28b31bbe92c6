package io.weft.device;

/**
 * The CRC32C of a concatenation from the CRC32Cs of its parts, so that pieces can be summed by
 * different threads in any order.
 *
 * <p>Appending a zero byte to a message is a linear map of its 32-bit remainder: a 32 by 32 matrix
 * over GF(2). {@code ZEROS[k]} is that matrix for 2^k zero bytes, each the square of the one
 * before. The sum of A followed by B is A's sum carried over as many zero bytes as B has, plus B's
 * sum: the inversions that CRC32C puts before and after a message cancel out.
 */
final class Crc32cCombine {
  /** The Castagnoli polynomial, lowest power in the highest bit, as all sums here are held. */
  private static final int POLYNOMIAL = 0x82F63B78;

  private static final int[][] ZEROS = zeros();

  private Crc32cCombine() {}

  /**
   * @param first the sum of the first part
   * @param second the sum of the second part
   * @param secondLength the length of the second part, in bytes
   */
  static int combine(int first, int second, long secondLength) {
    int carried = first;
    for (long left = secondLength; left != 0; left &= left - 1) {
      carried = apply(ZEROS[Long.numberOfTrailingZeros(left)], carried);
    }
    return carried ^ second;
  }

  private static int[][] zeros() {
    int[] oneBit = new int[32];
    oneBit[0] = POLYNOMIAL;
    for (int bit = 1; bit < 32; bit++) {
      oneBit[bit] = 1 << (bit - 1);
    }
    int[] oneByte = square(square(square(oneBit)));
    int[][] powers = new int[Long.SIZE - 1][];
    powers[0] = oneByte;
    for (int k = 1; k < powers.length; k++) {
      powers[k] = square(powers[k - 1]);
    }
    return powers;
  }

  private static int[] square(int[] matrix) {
    int[] product = new int[32];
    for (int column = 0; column < 32; column++) {
      product[column] = apply(matrix, matrix[column]);
    }
    return product;
  }

  /** The matrix, given by columns, times the vector. */
  private static int apply(int[] matrix, int vector) {
    int sum = 0;
    for (int left = vector; left != 0; left &= left - 1) {
      sum ^= matrix[Integer.numberOfTrailingZeros(left)];
    }
    return sum;
  }
}
