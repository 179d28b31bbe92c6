package io.weft.base;

/** What the store counts. The name is stable: dashboards are built on it. */
public enum Metric {
  STORES("stores", "stores published"),
  STORE_BYTES("store_bytes", "payload bytes published"),
  STORES_DUPLICATE("stores_duplicate", "stores whose key was there already"),
  STORES_REJECTED("stores_rejected", "stores not taken"),
  STORES_FAILED("stores_failed", "stores taken and not done"),
  LOADS_HIT("loads_hit", "loads that returned a verified chunk"),
  LOAD_BYTES("load_bytes", "payload bytes loaded and verified"),
  LOADS_MISS("loads_miss", "loads of keys that are not there"),
  LOADS_FAILED("loads_failed", "loads taken and not done"),
  LOOKUP_KEYS("lookup_keys", "keys looked up"),
  LOOKUP_HITS("lookup_hits", "keys looked up and found"),
  EVICTIONS("evictions", "chunks evicted for room"),
  EVICTED_BYTES("evicted_bytes", "bytes on the device of evicted chunks"),
  EXPIRED("expired", "chunks removed because their time was over"),
  DELETED("deleted", "chunks deleted on request"),
  CORRUPT("corrupt", "chunks that failed verification and were quarantined"),
  VANISHED("vanished", "chunks whose file was gone"),
  LOST_RACES("lost_races", "loads looked up again because the chunk changed under them"),
  DEVICE_ERRORS("device_errors", "device operations that failed"),
  NO_SPACE("no_space", "writes that the filesystem had no room for"),
  DEADLINES("deadlines", "requests answered because their deadline passed"),
  BUSY("busy", "requests not taken because too many are in flight"),
  WORKER_RESTARTS("worker_restarts", "I/O workers restarted"),
  STUCK_THREADS("stuck_threads", "I/O threads that were given up as stuck, ever"),
  INDEX_REBUILDS("index_rebuilds", "times the index was rebuilt from the device"),
  LANE_RESTARTS("lane_restarts", "times the lanes were materialised anew");

  private final String label;
  private final String help;

  Metric(String label, String help) {
    this.label = label;
    this.help = help;
  }

  public String label() {
    return label;
  }

  public String help() {
    return help;
  }
}
