package io.weft.cli;

import com.typesafe.config.ConfigException;
import com.typesafe.config.ConfigFactory;
import io.weft.base.ByteSize;
import io.weft.base.ChunkKey;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.FileSystemException;
import java.time.Duration;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IVersionProvider;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParseResult;
import picocli.CommandLine.Spec;
import picocli.CommandLine.TypeConversionException;

/**
 * The command {@code weft}. A command of its own is a class beside this one, named in {@code
 * subcommands}; it throws {@link ParameterException} for what its user can mend, and returns one of
 * {@link ExitCodes}.
 */
@Command(
    name = "weft",
    description = "A store for LLM KV-cache chunks on an NVMe-oF device.",
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      RunCommand.class,
      SimulateCommand.class,
      ReplayCommand.class,
      BenchCommand.class,
      PutCommand.class,
      GetCommand.class,
      ListCommand.class,
      RemoveCommand.class,
      StatCommand.class,
      VerifyCommand.class,
      InspectCommand.class,
      ServeCommand.class,
      HashPasswordCommand.class,
      L2AdapterCommand.class,
      CommandLine.HelpCommand.class
    },
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:done",
      "1:wrong or lost data was found, or a key is not there",
      "2:the command line, or a file that it names, is not usable",
      "3:the device or the store failed"
    },
    footer = {"", "'weft COMMAND --help' explains a command, with examples."})
public final class Main implements Callable<Integer> {
  @Spec private @Nullable CommandSpec spec;

  public static void main(String[] args) {
    System.exit(commandLine().execute(args));
  }

  /** The command line as {@link #main} runs it; its output can be redirected. */
  public static CommandLine commandLine() {
    return new CommandLine(new Main())
        .setUsageHelpAutoWidth(true)
        .setCaseInsensitiveEnumValuesAllowed(true)
        .registerConverter(ByteSize.class, text -> converted(text, ByteSize::parse))
        .registerConverter(Capacity.class, text -> converted(text, Capacity::parse))
        .registerConverter(ChunkKey.class, text -> converted(text, KeyText::parse))
        .registerConverter(Duration.class, text -> converted(text, Main::duration))
        .setParameterExceptionHandler(Main::refuse)
        .setExecutionExceptionHandler(Main::fail);
  }

  /** Without a command there is nothing to do. */
  @Override
  public Integer call() {
    CommandLine command = Objects.requireNonNull(spec).commandLine();
    command.usage(command.getErr());
    return ExitCodes.USAGE;
  }

  private static <T> T converted(String text, Function<String, T> parser) {
    try {
      return parser.apply(text);
    } catch (IllegalArgumentException wrong) {
      throw new TypeConversionException(String.valueOf(wrong.getMessage()));
    }
  }

  /** A time as the configuration writes it, too: {@code 90s}, {@code 15m}, {@code 7d}. */
  private static Duration duration(String text) {
    Duration duration;
    try {
      duration = ConfigFactory.parseMap(Map.of("time", text)).getDuration("time");
    } catch (ConfigException wrong) {
      throw new IllegalArgumentException(
          "'" + text + "' is no time: write a number with a unit, as in 90s, 15m, 12h or 7d",
          wrong);
    }
    if (duration.isNegative() || duration.isZero()) {
      throw new IllegalArgumentException("a time is more than nothing, not '" + text + "'");
    }
    return duration;
  }

  private static int refuse(ParameterException e, String[] args) {
    CommandLine command = e.getCommandLine();
    String name = command.getCommandSpec().qualifiedName();
    PrintWriter err = command.getErr();
    err.println(command.getColorScheme().errorText(name + ": " + e.getMessage()));
    CommandLine.UnmatchedArgumentException.printSuggestions(e, err);
    err.println("'" + name + " --help' shows the options and examples.");
    return ExitCodes.USAGE;
  }

  private static int fail(Exception e, CommandLine command, ParseResult parsed) {
    PrintWriter err = command.getErr();
    String name = command.getCommandSpec().qualifiedName();
    if (e instanceof CommandFailed failed) {
      err.println(command.getColorScheme().errorText(name + ": " + failed.getMessage()));
      return failed.exitCode();
    }
    // The message of a file's exception is the file alone: its class says what happened to it.
    String message =
        e.getMessage() == null || e instanceof FileSystemException ? e.toString() : e.getMessage();
    err.println(command.getColorScheme().errorText(name + ": " + message));
    if (!(e instanceof IOException)) {
      e.printStackTrace(err);
    }
    return ExitCodes.FAILURE;
  }

  /** The version that the jar's manifest states. */
  static final class Version implements IVersionProvider {
    @Override
    public String[] getVersion() {
      String version = Main.class.getPackage().getImplementationVersion();
      return new String[] {
        "weft " + (version == null ? "(not from a jar)" : version),
        "Java " + Runtime.version() + ", " + System.getProperty("os.name")
      };
    }
  }
}
