package io.weft.device;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import io.weft.base.DeviceException;
import io.weft.device.LeafDirectories.Leaf;
import io.weft.device.VerifiedFile.Verdict;
import org.jspecify.annotations.Nullable;

/**
 * One walk over all files of the store that reads every chunk from end to end. Where {@link
 * FileScan} looks at blocks, to find out what there is, this looks at payloads too, and changes
 * nothing unless it is told to put wrong chunks aside.
 */
final class FileVerification {
  /** How much of a payload is read at once. */
  private static final int PIECE_BYTES = 1 << 20;

  private final StoreDirectory store;
  private final LeafDirectories leaves;
  private final @Nullable Quarantine quarantine;
  private final UseCount uses;
  private final VerifySink sink;
  private final Object handover = new Object();
  private int leavesDone;

  /**
   * @param quarantine where wrong chunks go; null to leave them
   */
  FileVerification(
      StoreDirectory store,
      LeafDirectories leaves,
      @Nullable Quarantine quarantine,
      UseCount uses,
      VerifySink sink) {
    this.store = store;
    this.leaves = leaves;
    this.quarantine = quarantine;
    this.uses = uses;
    this.sink = sink;
  }

  void run(int threads) throws DeviceException {
    for (String name : store.foreignNames()) {
      say(name, Verdict.FOREIGN, "");
    }
    for (String path : FileScan.foreignBranches(store)) {
      say(path, Verdict.FOREIGN, "");
    }
    new LeafWalk(store, leaves, uses, PIECE_BYTES, Visitor::new).run(threads);
    synchronized (handover) {
      sink.progress(ChunkName.LEAVES, ChunkName.LEAVES);
    }
  }

  private final class Visitor implements LeafWalk.Visitor {
    @Override
    public void visit(Leaf leaf, IoScratch scratch) throws DeviceException {
      for (Directory.Entry entry : leaf.directory().list()) {
        examine(leaf, entry, scratch);
      }
      synchronized (handover) {
        leavesDone++;
        sink.progress(leavesDone, ChunkName.LEAVES);
      }
    }

    @Override
    public void end() {}
  }

  private void examine(Leaf leaf, Directory.Entry entry, IoScratch scratch) throws DeviceException {
    String path = leaf.directory().pathOf(entry.name());
    boolean file = entry.type() == Directory.Type.FILE;
    if (file && StoreDirectory.isStaging(entry.name())) {
      say(path, Verdict.STAGING, "");
      return;
    }
    ChunkName name = file ? ChunkName.parse(entry.name()) : null;
    if (name == null) {
      say(path, Verdict.FOREIGN, "");
      return;
    }
    try {
      verify(leaf, entry.name(), name, scratch);
    } catch (ChunkFormatException wrong) {
      String detail = String.valueOf(wrong.getMessage());
      if (wrong.reason() == ChunkFormatException.Reason.LATER_VERSION) {
        say(path, Verdict.LATER_VERSION, detail);
      } else {
        wrong(leaf, entry.name(), detail);
      }
    } catch (DeviceException failure) {
      switch (failure.kind()) {
        case NOT_FOUND -> {
          // Removed since it was listed, by hand: the directory is locked against other stores.
        }
        case CORRUPT -> wrong(leaf, entry.name(), String.valueOf(failure.getMessage()));
        case IO_ERROR, SHORT_TRANSFER, NO_PERMISSION, OTHER ->
            say(path, Verdict.UNREADABLE, String.valueOf(failure.getMessage()));
        case NO_SPACE, READ_ONLY, EXHAUSTED, CLOSED -> throw failure;
      }
    }
  }

  private void verify(Leaf leaf, String fileName, ChunkName name, IoScratch scratch)
      throws DeviceException, ChunkFormatException {
    DataFile file = leaf.directory().open(fileName, store.isDirect());
    try {
      long length = file.length();
      long physicalBytes = Posix.statPhysicalBytes();
      if (length < ChunkFormat.BLOCK_BYTES) {
        wrong(leaf, fileName, "it has %d bytes, less than a block".formatted(length));
        return;
      }
      IoVector vector = Posix.vector();
      vector.add(scratch.block());
      file.read(vector, 0, scratch.block());
      ChunkBlock block = ChunkFormat.decode(scratch.block());
      String mismatch = FileScan.mismatch(leaf, fileName, name, block, length);
      if (mismatch != null) {
        wrong(leaf, fileName, mismatch);
        return;
      }
      int sum = PayloadIo.sum(file, ChunkFormat.BLOCK_BYTES, block.payloadLength(), scratch, uses);
      if (sum != block.payloadCrc()) {
        wrong(
            leaf,
            fileName,
            "the payload's checksum is %08x, its bytes give %08x"
                .formatted(block.payloadCrc(), sum));
        return;
      }
      hand(
          new VerifiedFile(
              text(file.path()), Verdict.GOOD, block.payloadLength(), physicalBytes, "", false));
    } finally {
      file.close();
    }
  }

  private void wrong(Leaf leaf, String fileName, String detail) throws DeviceException {
    Directory directory = leaf.directory();
    long physicalBytes = directory.physicalBytes(fileName);
    boolean moved = false;
    if (quarantine != null) {
      quarantine.take(directory, fileName);
      moved = true;
    }
    hand(
        new VerifiedFile(
            text(directory.pathOf(fileName)), Verdict.WRONG, 0, physicalBytes, detail, moved));
  }

  private void say(String path, Verdict verdict, String detail) {
    hand(new VerifiedFile(text(path), verdict, 0, 0, detail, false));
  }

  private void hand(VerifiedFile file) {
    synchronized (handover) {
      sink.file(file);
    }
  }

  /** Names are bytes, one char each; for people they are text. */
  private static String text(String bytes) {
    return new String(bytes.getBytes(ISO_8859_1), UTF_8);
  }
}
