package io.weft.cli.bench;

/** What a contender is made to do. */
public enum Workload {
  /** Every chunk is stored once; before, there was none. */
  STORE("store", "store into an empty store"),
  /** Every chunk is loaded once, in random order. */
  LOAD("load", "load in random order"),
  /** Seven loads of old chunks for three stores of new ones. */
  MIXED("mixed", "mixed 70/30"),
  /** The references of a conversation trace: the first one of a block stores, later ones load. */
  TRACE("trace", "replay of a conversation trace"),
  /** New chunks are stored where there is no room left: each one makes an old one go. */
  CAPACITY("capacity", "store at capacity"),
  /** Loads that come by the clock, alone and beside as many stores as go in. */
  LATENCY("latency", "open-loop loads"),
  /** 1,000 keys in one question. */
  LOOKUP("lookup", "lookup of 1,000 keys"),
  /** From the start to serving. */
  RESTART("restart", "restart from the snapshot");

  private final String label;
  private final String title;

  Workload(String label, String title) {
    this.label = label;
    this.title = title;
  }

  /** How the command line and the JSON call it. */
  public String label() {
    return label;
  }

  /** For people. */
  public String title() {
    return title;
  }

  /** Whether it is run for each chunk size with a {@link Script}. */
  public boolean scripted() {
    return switch (this) {
      case STORE, LOAD, MIXED, TRACE, CAPACITY -> true;
      case LATENCY, LOOKUP, RESTART -> false;
    };
  }
}
