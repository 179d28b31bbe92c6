package io.weft.actor;

import io.weft.cli.OwnFifo;
import io.weft.core.PolicyContext;

/** A policy with a bug that can be called up: the index fails with it. */
public final class FragilePolicy extends OwnFifo {
  static volatile boolean broken;

  public FragilePolicy(PolicyContext context) {
    super(context);
  }

  @Override
  public void access(int entry) {
    if (broken) {
      broken = false;
      throw new IllegalStateException("a bug in the policy");
    }
    super.access(entry);
  }
}
