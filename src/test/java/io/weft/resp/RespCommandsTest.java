package io.weft.resp;

import static io.weft.resp.RespWorld.soon;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.weft.testing.RespClient;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Each command by the letter: its replies in both versions of the protocol, and Redis's errors. */
class RespCommandsTest {
  @TempDir static Path directory;
  private static RespWorld world;

  @BeforeAll
  static void start() throws Exception {
    world = RespWorld.start(directory, "weft.max-chunk = 1MiB");
  }

  @AfterAll
  static void stop() {
    world.assertNothingHeld();
    world.close();
  }

  /** Arguments between blanks; '' is an empty one. */
  private static String ask(RespClient client, String command) throws Exception {
    String[] words = command.split(" ");
    for (int i = 0; i < words.length; i++) {
      words[i] = words[i].equals("''") ? "" : words[i];
    }
    return client.ask(words);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          PING                   | +PONG                | +PONG
          ping hello             | $hello               | $hello
          PING a b               | -ERR wrong number of arguments for 'ping' command | =
          ECHO x                 | $x                   | $x
          ECHO                   | -ERR wrong number of arguments for 'echo' command | =
          SELECT 0               | +OK                  | +OK
          SELECT 1               | -ERR DB index is out of range | =
          SELECT x               | -ERR value is not an integer or out of range | =
          GET nothing            | nil                  | nil
          GET ''                 | nil                  | nil
          GET a b                | -ERR wrong number of arguments for 'get' command | =
          SET k                  | -ERR wrong number of arguments for 'set' command | =
          SET k v NX XX          | -ERR syntax error    | =
          SET k v EX             | -ERR syntax error    | =
          SET k v EX 0           | -ERR invalid expire time in 'set' command | =
          SET k v PX x           | -ERR value is not an integer or out of range | =
          SET '' v               | -ERR a key has from 1 to 2048 bytes | =
          MGET nothing ''        | [nil, nil]           | [nil, nil]
          MSET a 1 b             | -ERR wrong number of arguments for 'mset' command | =
          MSET a 1 '' 2          | -ERR a key has from 1 to 2048 bytes | =
          EXISTS nothing ''      | :0                   | :0
          DEL nothing ''         | :0                   | :0
          STRLEN nothing         | :0                   | :0
          TYPE nothing           | +none                | +none
          TTL nothing            | :-2                  | :-2
          PTTL nothing           | :-2                  | :-2
          EXPIRE nothing 10      | :0                   | :0
          EXPIRE k x             | -ERR value is not an integer or out of range | =
          EXPIRE k 9223372036854775807 | -ERR invalid expire time in 'expire' command | =
          EXPIRE k 10 NX         | -ERR Unsupported option NX | =
          PEXPIRE nothing 1      | :0                   | :0
          EXPIREAT nothing 1     | :0                   | :0
          PEXPIREAT nothing 1    | :0                   | :0
          PERSIST nothing        | :0                   | :0
          KEYS zzz*              | []                   | []
          SCAN 0 MATCH zzz*      | [$0, []]             | [$0, []]
          SCAN x                 | -ERR invalid cursor  | =
          SCAN 0 COUNT 0         | -ERR syntax error    | =
          SCAN 0 COUNT x         | -ERR value is not an integer or out of range | =
          SCAN 0 MATCH           | -ERR syntax error    | =
          SCAN 0 TYPE list       | [$0, []]             | [$0, []]
          MEMORY USAGE nothing   | nil                  | nil
          MEMORY DOCTOR          | -ERR unknown subcommand 'DOCTOR'. Try MEMORY HELP. | =
          FLUSHALL NOW           | -ERR syntax error    | =
          CLIENT GETNAME         | nil                  | nil
          CLIENT SETINFO LIB-NAME x | +OK               | +OK
          CLIENT SETINFO X y     | -ERR Unrecognized option 'X' | =
          CLIENT NO-EVICT on     | +OK                  | +OK
          CLIENT KILL x          | -ERR unknown subcommand 'KILL'. Try CLIENT HELP. | =
          COMMAND INFO nothing   | [nil]                | [nil]
          COMMAND INFO get       | [[$get, :2, [+readonly, +fast], :1, :1, :1, []]] | [[$get, :2, [+readonly, +fast], :1, :1, :1, []]]
          COMMAND DOCS           | []                   | []
          CONFIG GET timeout     | [$timeout, $0]       | [$timeout, $0]
          CONFIG GET dat* sav?   | [$databases, $1, $save, $] | [$databases, $1, $save, $]
          CONFIG GET nothing     | []                   | []
          CONFIG SET a b         | -ERR unknown subcommand 'SET'. Try CONFIG HELP. | =
          HELLO x                | -ERR Protocol version is not an integer or out of range | =
          HELLO 4                | -NOPROTO unsupported protocol version | =
          HELLO 3 FOO            | -ERR Syntax error in HELLO option 'FOO' | =
          HELLO 3 AUTH a b       | -WRONGPASS invalid username-password pair or user is disabled. | =
          AUTH x                 | -ERR AUTH <password> called without any password configured for the default user. Are you sure your configuration is correct? | =
          AUTH a b               | -WRONGPASS invalid username-password pair or user is disabled. | =
          AUTH a b c             | -ERR syntax error    | =
          RESET NOW              | -ERR wrong number of arguments for 'reset' command | =
          FOO                    | -ERR unknown command 'FOO', with args beginning with:  | =
          FOO a b                | -ERR unknown command 'FOO', with args beginning with: 'a' 'b'  | =
          """)
  void replies(String command, String resp2, String resp3) throws Exception {
    try (RespClient client = world.connect()) {
      assertTrue(client.ask("HELLO", "2").contains("$proto, :2"));
      assertEquals(resp2.strip(), ask(client, command).strip());
      assertTrue(client.ask("HELLO", "3").contains("$proto, :3"));
      assertEquals((resp3.equals("=") ? resp2 : resp3).strip(), ask(client, command).strip());
      assertEquals("+PONG", client.ask("PING"), "in step");
    }
  }

  @Test
  void theFormsOfRepliesAreTheProtocols() throws Exception {
    try (RespClient client = world.connect()) {
      client.send("GET", "nothing");
      assertEquals("$-1\r\n", client.readText(5));
      client.send("CONFIG", "GET", "timeout");
      assertEquals("*2\r\n$7\r\ntimeout\r\n$1\r\n0\r\n", client.readText(24));
      client.send("INFO", "server");
      assertEquals("$", client.readText(1));
      var _ = client.read(Integer.parseInt(client.line()) + 2);
      assertTrue(client.ask("HELLO", "3").contains("$proto, :3"));
      client.send("GET", "nothing");
      assertEquals("_\r\n", client.readText(3));
      client.send("CONFIG", "GET", "timeout");
      assertEquals("%1\r\n$7\r\ntimeout\r\n$1\r\n0\r\n", client.readText(24));
      assertTrue(client.ask("INFO", "server").startsWith("=txt:# Server"));
      assertEquals("+RESET", client.ask("RESET"));
      client.send("GET", "nothing");
      assertEquals("$-1\r\n", client.readText(5));
    }
  }

  @Test
  void aConnectionHasItsNameAndNumber() throws Exception {
    try (RespClient client = world.connect();
        RespClient other = world.connect()) {
      String id = client.ask("CLIENT", "ID");
      assertTrue(id.matches(":[0-9]+") && !id.equals(other.ask("CLIENT", "ID")), id);
      assertEquals("+OK", client.ask("CLIENT", "SETNAME", "me"));
      assertEquals("$me", client.ask("CLIENT", "GETNAME"));
      assertTrue(client.ask("CLIENT", "INFO").contains(" name=me user=default resp=2 "));
      assertTrue(client.ask("CLIENT", "SETNAME", "a b").startsWith("-ERR Client names cannot"));
      assertTrue(client.ask("HELLO", "3", "SETNAME", "you").contains("$mode, $standalone"));
      assertEquals("$you", client.ask("CLIENT", "GETNAME"));
    }
  }

  @Test
  void timeToLive() throws Exception {
    try (RespClient client = world.connect()) {
      assertEquals("+OK", client.ask("SET", "t", "v", "PX", "100000"));
      assertEquals(":100", client.ask("TTL", "t"));
      assertEquals(":1", client.ask("PEXPIRE", "t", "5000"));
      assertEquals(":5", client.ask("TTL", "t"));
      long at = System.currentTimeMillis() / 1_000 + 1_000;
      assertEquals(":1", client.ask("EXPIREAT", "t", Long.toString(at)));
      assertTrue(client.ask("TTL", "t").matches(":(999|1000)"));
      assertEquals(":1", client.ask("PEXPIREAT", "t", Long.toString(at * 1_000)));
      assertEquals(":1", client.ask("PERSIST", "t"));
      assertEquals(":-1", client.ask("PTTL", "t"));
      assertEquals(":1", client.ask("EXPIREAT", "t", "1"));
      assertEquals(":0", client.ask("EXISTS", "t"));
      assertEquals("+OK", client.ask("SET", "t", "v", "PX", "100"));
      soon().until(() -> client.ask("EXISTS", "t").equals(":0"));
      assertEquals("nil", client.ask("GET", "t"));
      assertEquals(":-2", client.ask("PTTL", "t"));
      assertEquals("[]", client.ask("KEYS", "t"));
    }
  }

  @Test
  void infoCounts() throws Exception {
    try (RespClient client = world.connect()) {
      long before = world.stats().commands();
      assertTrue(client.ask("FOO").startsWith("-ERR "));
      assertTrue(client.ask("GET").startsWith("-ERR "));
      assertEquals("+PONG", client.ask("PING"));
      assertEquals(before + 3, world.stats().commands());
      String info = client.ask("INFO", "stats", "CLIENTS");
      assertTrue(info.contains("# Stats") && info.contains("# Clients"), info);
      assertTrue(!info.contains("# Server"), info);
      assertTrue(info.matches("(?s).*\r\ntotal_error_replies:([2-9]|[1-9][0-9]+)\r\n.*"), info);
      assertTrue(info.contains("connected_clients:"), info);
    }
  }

  @Test
  void aKeyMayBeNamedTwice() throws Exception {
    try (RespClient client = world.connect()) {
      assertEquals("+OK", client.ask("MSET", "twice", "1", "twice", "22"));
      assertEquals("$22", client.ask("GET", "twice"));
      assertEquals(":2", client.ask("EXISTS", "twice", "twice"));
      assertEquals("[$22, $22]", client.ask("MGET", "twice", "twice"));
      assertEquals(":1", client.ask("DEL", "twice", "twice"));
    }
  }

  @Test
  void ofAnMsetWithOneValueTooManyTheOthersAreStored() throws Exception {
    try (RespClient client = world.connect()) {
      String reply = client.ask("MSET", "m1", "1", "m2", "x".repeat((1 << 20) + 1), "m3", "3");
      assertTrue(reply.startsWith("-ERR a value has at most 1 MiB"), reply);
      assertEquals("[$1, nil, $3]", client.ask("MGET", "m1", "m2", "m3"));
      assertEquals(":2", client.ask("DEL", "m1", "m2", "m3"));
    }
  }

  @Test
  void aSubcommandIsNamedWithItsCommand() throws Exception {
    try (RespClient client = world.connect()) {
      assertEquals(
          "-ERR wrong number of arguments for 'config|get' command", client.ask("CONFIG", "GET"));
      assertEquals(
          "-ERR wrong number of arguments for 'client|setname' command",
          client.ask("CLIENT", "SETNAME"));
    }
  }

  @Test
  void errorTextsShowNoControlCharacters() throws Exception {
    try (RespClient client = world.connect()) {
      assertEquals(
          "-ERR unknown command 'F  +OK', with args beginning with: '  :1' ",
          client.ask("F\r\n+OK", "\r\n:1"));
      assertTrue(client.ask("FOO", "x".repeat(100_000)).length() < 300);
    }
  }
}
