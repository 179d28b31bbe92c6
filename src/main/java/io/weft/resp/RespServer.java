package io.weft.resp;

import io.weft.api.ChunkStore;
import io.weft.base.RespSettings;
import io.weft.base.StoreSettings;
import io.weft.base.Ticker;
import java.net.InetSocketAddress;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CompletionStage;
import java.util.concurrent.TimeUnit;
import java.util.function.Supplier;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLEngine;
import org.apache.pekko.Done;
import org.apache.pekko.NotUsed;
import org.apache.pekko.actor.typed.ActorSystem;
import org.apache.pekko.io.Inet;
import org.apache.pekko.io.TcpSO;
import org.apache.pekko.stream.ActorAttributes;
import org.apache.pekko.stream.KillSwitches;
import org.apache.pekko.stream.Materializer;
import org.apache.pekko.stream.SharedKillSwitch;
import org.apache.pekko.stream.SystemMaterializer;
import org.apache.pekko.stream.TLSClosing;
import org.apache.pekko.stream.javadsl.Flow;
import org.apache.pekko.stream.javadsl.Keep;
import org.apache.pekko.stream.javadsl.Sink;
import org.apache.pekko.stream.javadsl.Source;
import org.apache.pekko.stream.javadsl.Tcp;
import org.apache.pekko.util.ByteString;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Lets clients that speak RESP into a store. Thread-safe. It does not own the store, nor the actor
 * system.
 */
public final class RespServer {
  private static final Logger LOG = LoggerFactory.getLogger(RespServer.class);
  private static final int BACKLOG = 1024;

  /** Idle connections stay; those whose client has vanished without a word are found by this. */
  private static final List<Inet.SocketOption> SOCKET_OPTIONS = List.of(TcpSO.keepAlive(true));

  private final Door door;
  private final List<Tcp.ServerBinding> bindings = new ArrayList<>();
  private final SharedKillSwitch cut = KillSwitches.shared("weft-resp");
  private final CompletableFuture<Void> allGone = new CompletableFuture<>();

  private RespServer(Door door) {
    this.door = door;
  }

  /**
   * Listens where the settings say.
   *
   * @return completes when all listeners are bound; exceptionally, with nothing bound, where one
   *     cannot be
   * @throws IllegalArgumentException where a password hash or the certificate is unusable
   */
  public static CompletionStage<RespServer> start(
      ActorSystem<?> system, ChunkStore store, StoreSettings storeSettings, RespSettings settings) {
    Door door =
        new Door(store, storeSettings, settings, new Users(settings.users()), Ticker.system());
    RespServer server = new RespServer(door);
    Optional<SSLContext> tls = settings.tls().map(ServerTls::context);
    List<CompletableFuture<Tcp.ServerBinding>> binding = new ArrayList<>();
    for (RespSettings.Listener listener : settings.listeners()) {
      binding.add(server.bind(system, listener, tls).toCompletableFuture());
    }
    return CompletableFuture.allOf(binding.toArray(CompletableFuture[]::new))
        .handle(
            (_, failure) -> {
              for (CompletableFuture<Tcp.ServerBinding> each : binding) {
                if (!each.isCompletedExceptionally()) {
                  server.bindings.add(each.join());
                }
              }
              if (failure != null) {
                var _ = server.stop();
                throw new CompletionException(
                    failure instanceof CompletionException && failure.getCause() != null
                        ? failure.getCause()
                        : failure);
              }
              return server;
            });
  }

  private CompletionStage<Tcp.ServerBinding> bind(
      ActorSystem<?> system, RespSettings.Listener listener, Optional<SSLContext> tls) {
    Tcp tcp = Tcp.get(system);
    Source<Tcp.IncomingConnection, CompletionStage<Tcp.ServerBinding>> incoming =
        listener.tls()
            ? tcp.bindWithTls(
                listener.host(),
                listener.port(),
                engines(tls.orElseThrow()),
                BACKLOG,
                SOCKET_OPTIONS,
                Optional.empty(),
                _ -> Optional.empty(),
                TLSClosing.eagerClose())
            // Half-closed: who sends his last command and closes his side is answered all the same.
            : tcp.bind(
                listener.host(),
                listener.port(),
                BACKLOG,
                SOCKET_OPTIONS,
                true,
                Optional.<java.time.Duration>empty());
    Materializer materializer = SystemMaterializer.get(system).materializer();
    return incoming
        .to(Sink.foreach(connection -> accept(connection, listener, materializer)))
        .run(materializer)
        .exceptionallyCompose(
            failure ->
                CompletableFuture.failedFuture(
                    new IllegalStateException(
                        "cannot listen at %s port %d: %s"
                            .formatted(
                                listener.host(), listener.port(), root(failure).getMessage()),
                        failure)));
  }

  private static Throwable root(Throwable failure) {
    Throwable cause = failure.getCause();
    return cause == null ? failure : root(cause);
  }

  private static Supplier<SSLEngine> engines(SSLContext context) {
    return () -> {
      SSLEngine engine = context.createSSLEngine();
      engine.setUseClientMode(false);
      return engine;
    };
  }

  private void accept(
      Tcp.IncomingConnection incoming, RespSettings.Listener listener, Materializer materializer) {
    if (door.connections.incrementAndGet() > door.settings.connections()) {
      door.stats.connectionsRefused.increment();
      var _ =
          incoming.handleWith(
              Flow.fromSinkAndSourceCoupled(Sink.cancelled(), Source.single(Errors.MAX_CLIENTS)),
              materializer);
      closed();
      return;
    }
    door.stats.connectionsAccepted.increment();
    InetSocketAddress remote = incoming.remoteAddress();
    String peer = remote.getHostString() + ":" + remote.getPort();
    Flow<ByteString, ByteString, NotUsed> replies =
        Flow.fromGraph(new ConnectionStage(door, listener, peer));
    Flow<ByteString, ByteString, CompletionStage<Done>> watched =
        replies.via(cut.flow()).watchTermination((_, done) -> done);
    // On the threads of the store itself: what one hands to the other need not wake a thread.
    var _ =
        watched
            .joinMat(incoming.flow(), Keep.left())
            .withAttributes(ActorAttributes.dispatcher("weft.dispatcher"))
            .run(materializer)
            .whenComplete((_, _) -> closed());
  }

  private void closed() {
    if (door.connections.decrementAndGet() == 0 && stopping) {
      allGone.complete(null);
    }
  }

  private volatile boolean stopping;

  /** The addresses that are listened at; a port of 0 in the settings is a real one here. */
  public List<InetSocketAddress> addresses() {
    return bindings.stream().map(Tcp.ServerBinding::localAddress).toList();
  }

  public RespStats stats() {
    return door.stats;
  }

  /** Connections that are open now. */
  public int connections() {
    return door.connections.get();
  }

  /** Memory for values that connections hold now, in bytes of whole buffers. */
  public long valueBytesHeld() {
    return door.permits.held();
  }

  /**
   * Takes no connections and no commands any more; what was read is answered, for {@code
   * weft.resp.drain-timeout} at the most; then the connections are closed.
   */
  public CompletionStage<Void> stop() {
    CompletableFuture<?>[] unbound =
        bindings.stream()
            .map(binding -> binding.unbind().toCompletableFuture())
            .toArray(CompletableFuture[]::new);
    stopping = true;
    door.drain();
    if (door.connections.get() == 0) {
      allGone.complete(null);
    }
    return CompletableFuture.allOf(unbound)
        .handle((_, _) -> null)
        .thenCompose(
            _ ->
                allGone
                    .copy()
                    .orTimeout(door.settings.drainTimeout().toMillis(), TimeUnit.MILLISECONDS))
        .handle(
            (_, late) -> {
              if (late != null) {
                LOG.warn("{} connections are closed with replies owed", door.connections.get());
                cut.shutdown();
              }
              door.users.close();
              return null;
            });
  }
}
