package io.weft.core;

import java.util.ArrayDeque;
import java.util.EnumMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Decides whose piece goes to the device next. Deterministic: the same calls with the same times
 * give the same order.
 *
 * <p><b>Order.</b> {@link Lane#LOAD} before {@link Lane#PREFETCH} before {@link Lane#DELETE} before
 * {@link Lane#STORE}; within a lane first come, first served. <b>Ageing.</b> For every {@code
 * ageStepNanos} that the head of a lane has been waiting for its next piece, the lane rises by one
 * rank, so that no lane starves: the longest that a store waits behind a stream of loads that are
 * served at once is three steps.
 *
 * <p><b>Bounds.</b> At most {@code maxPieces} pieces and {@code maxBytes} bytes are out at once
 * (one piece larger than {@code maxBytes} may go alone). Stores have a bound of their own below
 * both, so that a load that arrives while stores saturate the device finds {@code reservedPieces}
 * slots free and never waits behind a full set of writes. While loads come, and for {@code
 * lingerNanos} after the last, stores have {@code besideLoadsBytes} out at the most: what the
 * device has got it serves in its own order, and a load waits for all of it.
 *
 * <p>Transfers are chosen between piece by piece: a load never waits behind a whole large store.
 */
public final class LaneScheduler {

  /**
   * @param maxPieces pieces out at once
   * @param reservedPieces how many of those stores and deletes leave alone
   * @param maxBytes bytes out at once
   * @param besideLoadsBytes what of those stores and deletes may have while loads come
   * @param lingerNanos for how long after one load the next is expected
   * @param ageStepNanos how long a lane's head waits for each rank that it rises
   */
  public record Limits(
      int maxPieces,
      int reservedPieces,
      long maxBytes,
      long besideLoadsBytes,
      long lingerNanos,
      long ageStepNanos) {

    /** Stores have all of {@code maxBytes}, loads or not. */
    public Limits(int maxPieces, int reservedPieces, long maxBytes, long ageStepNanos) {
      this(maxPieces, reservedPieces, maxBytes, maxBytes, 0, ageStepNanos);
    }

    public Limits {
      if (maxPieces < 1 || reservedPieces < 0 || reservedPieces >= maxPieces) {
        throw new IllegalArgumentException(
            "of %d pieces %d cannot be reserved".formatted(maxPieces, reservedPieces));
      }
      if (maxBytes < 1 || besideLoadsBytes < 1 || lingerNanos < 0 || ageStepNanos < 1) {
        throw new IllegalArgumentException("bytes and times are positive");
      }
    }
  }

  private static final Lane[] LANES = Lane.values();

  private static final class Waiting {
    final Transfer transfer;
    long sinceNanos;

    Waiting(Transfer transfer, long sinceNanos) {
      this.transfer = transfer;
      this.sinceNanos = sinceNanos;
    }
  }

  private final Limits limits;
  private final Map<Lane, ArrayDeque<Waiting>> lanes = new EnumMap<>(Lane.class);
  private final long[] bytesOut = new long[LANES.length];
  private final int[] piecesOut = new int[LANES.length];
  private final Set<Transfer.Piece> stuck = new HashSet<>();
  private int allPiecesOut;
  private long allBytesOut;
  private boolean loadsCame;
  private long lastLoadNanos;

  public LaneScheduler(Limits limits) {
    this.limits = limits;
    for (Lane lane : LANES) {
      lanes.put(lane, new ArrayDeque<>());
    }
  }

  /** A new transfer enters its lane at the end. */
  public void enter(Transfer transfer, long nowNanos) {
    queue(transfer.lane()).addLast(new Waiting(transfer, nowNanos));
  }

  /** How many transfers of the lane are waiting for a piece to be taken. */
  public int waiting(Lane lane) {
    return queue(lane).size();
  }

  public int piecesOut() {
    return allPiecesOut;
  }

  public int piecesOut(Lane lane) {
    return piecesOut[lane.rank()];
  }

  public long bytesOut() {
    return allBytesOut;
  }

  public boolean idle() {
    return allPiecesOut == 0
        && stuck.isEmpty()
        && lanes.values().stream().allMatch(ArrayDeque::isEmpty);
  }

  /**
   * Takes the next piece for the device.
   *
   * @return null while nothing waits or the bounds leave no room
   */
  public Transfer.@Nullable Piece takeNext(long nowNanos) {
    Lane chosen = null;
    long chosenRank = Long.MAX_VALUE;
    for (Lane lane : LANES) {
      Waiting head = queue(lane).peekFirst();
      if (head == null || !fits(lane, head.transfer.nextPieceBytes(), nowNanos)) {
        continue;
      }
      long rank = lane.rank() - (nowNanos - head.sinceNanos) / limits.ageStepNanos();
      if (rank < chosenRank) {
        chosenRank = rank;
        chosen = lane;
      }
    }
    if (chosen == null) {
      return null;
    }
    ArrayDeque<Waiting> queue = queue(chosen);
    Waiting head = queue.getFirst();
    Transfer.Piece piece = head.transfer.takePiece();
    if (head.transfer.nextPieceBytes() < 0) {
      queue.removeFirst();
    } else {
      head.sinceNanos = nowNanos;
    }
    count(chosen, 1, piece.bytes());
    if (!isBackground(chosen)) {
      loadsCame = true;
      lastLoadNanos = nowNanos;
    }
    return piece;
  }

  /**
   * A piece is stuck with the kernel, and another thread serves in the place of its own: its room
   * is free again, before it comes back.
   */
  public void stuck(Transfer.Piece piece) {
    if (stuck.add(piece)) {
      count(piece.transfer().lane(), -1, -piece.bytes());
    }
  }

  /**
   * A piece came back: its room is free again, and its transfer, where that has another piece now,
   * waits at the front of its lane.
   */
  public void done(Transfer.Piece piece, long nowNanos) {
    Transfer transfer = piece.transfer();
    if (!stuck.remove(piece)) {
      count(transfer.lane(), -1, -piece.bytes());
    }
    boolean waited = transfer.nextPieceBytes() >= 0;
    transfer.pieceDone(piece);
    if (nowNanos - transfer.deadlineNanos() >= 0) {
      transfer.cancel(Transfer.Cancelled.DEADLINE);
    }
    if (!waited && transfer.nextPieceBytes() >= 0) {
      queue(transfer.lane()).addFirst(new Waiting(transfer, nowNanos));
    } else if (waited && transfer.nextPieceBytes() < 0) {
      queue(transfer.lane()).removeIf(waiting -> waiting.transfer.equals(transfer));
    }
  }

  /** The first waiting transfer that has not started and whose deadline passed, out of its lane. */
  public @Nullable Transfer takeExpiredHead(long nowNanos) {
    for (Lane lane : LANES) {
      Waiting head = queue(lane).peekFirst();
      if (head != null
          && !head.transfer.started()
          && nowNanos - head.transfer.deadlineNanos() >= 0) {
        return queue(lane).removeFirst().transfer;
      }
    }
    return null;
  }

  private static boolean isBackground(Lane lane) {
    return lane == Lane.STORE || lane == Lane.DELETE;
  }

  private boolean loadsCome(long nowNanos) {
    return piecesOut[Lane.LOAD.rank()] + piecesOut[Lane.PREFETCH.rank()] > 0
        || (loadsCame && nowNanos - lastLoadNanos < limits.lingerNanos());
  }

  private boolean fits(Lane lane, long bytes, long nowNanos) {
    boolean background = isBackground(lane);
    int slots = background ? limits.maxPieces() - limits.reservedPieces() : limits.maxPieces();
    if (allPiecesOut >= limits.maxPieces()) {
      return false;
    }
    if (background) {
      int out = piecesOut[Lane.STORE.rank()] + piecesOut[Lane.DELETE.rank()];
      long share = limits.maxBytes() / limits.maxPieces() * slots;
      long bytesLimit = loadsCome(nowNanos) ? Math.min(share, limits.besideLoadsBytes()) : share;
      long backgroundBytes = bytesOut[Lane.STORE.rank()] + bytesOut[Lane.DELETE.rank()];
      if (out >= slots || (out > 0 && bytes > 0 && backgroundBytes + bytes > bytesLimit)) {
        return false;
      }
    }
    return allPiecesOut == 0 || bytes == 0 || allBytesOut + bytes <= limits.maxBytes();
  }

  private void count(Lane lane, int pieces, long bytes) {
    piecesOut[lane.rank()] += pieces;
    bytesOut[lane.rank()] += bytes;
    allPiecesOut += pieces;
    allBytesOut += bytes;
  }

  private ArrayDeque<Waiting> queue(Lane lane) {
    return java.util.Objects.requireNonNull(lanes.get(lane));
  }
}
