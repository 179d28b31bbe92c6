package io.weft.actor;

import io.weft.api.Payload;
import io.weft.api.StoreOptions;
import io.weft.base.ChunkKey;
import io.weft.base.ChunkMetadata;
import io.weft.base.StoreMode;
import io.weft.base.StoreOutcome;
import io.weft.core.StoreRequest;
import io.weft.stream.Admitted;

/** One store, with its payload. */
final class StoreJob extends Job<StoreOutcome> implements StoreRequest {
  private final ChunkKey key;
  private final Payload payload;
  private final StoreOptions options;

  StoreJob(
      Registry registry,
      Admitted<StoreOutcome> admitted,
      ChunkKey key,
      Payload payload,
      StoreOptions options) {
    super(registry, admitted);
    this.key = key;
    this.payload = payload;
    this.options = options;
  }

  Payload payload() {
    return payload;
  }

  ChunkMetadata metadata() {
    return options.metadata();
  }

  @Override
  public ChunkKey key() {
    return key;
  }

  @Override
  public long length() {
    return payload.length();
  }

  @Override
  public StoreMode mode() {
    return options.mode();
  }

  @Override
  public long expiresAtMillis() {
    return options.expiresAtMillis();
  }

  @Override
  public boolean hasMetadata() {
    return !options.metadata().isEmpty();
  }

  @Override
  public boolean abandoned() {
    return isAbandoned();
  }

  @Override
  public void answer(StoreOutcome outcome) {
    end(outcome);
  }

  @Override
  void release() {
    payload.release();
  }
}
