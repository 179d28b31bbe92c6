package io.weft.device;

/** Where a verification hands over what it found; one call at a time. */
public interface VerifySink {
  void file(VerifiedFile file);

  /** So many of all the parts of the walk are done. */
  void progress(int done, int parts);
}
