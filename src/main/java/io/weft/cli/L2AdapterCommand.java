package io.weft.cli;

import io.weft.adapter.AdapterUsage;
import io.weft.adapter.ConfigField;
import io.weft.adapter.L2Adapter;
import io.weft.adapter.L2AdapterFactory;
import io.weft.adapter.L2Adapters;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import org.slf4j.LoggerFactory;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.IModelTransformer;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.UsageMessageSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code weft l2-adapter}: LMCache's L2 adapters that the class path knows, and a trial of one. */
@Command(
    name = "l2-adapter",
    description = {
      "Checks the JSON configuration of an LMCache L2 adapter; without one, lists the types.",
      ""
    },
    mixinStandardHelpOptions = true,
    versionProvider = Main.Version.class,
    sortOptions = false,
    modelTransformer = L2AdapterCommand.WithTypes.class,
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:the configuration is usable, and with --check the adapter is healthy",
      "2:the configuration is not usable",
      "3:the adapter cannot be, or is not healthy"
    },
    footerHeading = "%nExamples:%n",
    footer = {
      "  weft l2-adapter --json",
      "  weft l2-adapter '{\"type\": \"nvmeof\", \"nvmeof.mount_path\": \"/mnt/weft\"}' --check",
      "  weft l2-adapter '{\"type\": \"nvmeof\", \"weft\": {\"directory\": \"/data/weft\"},",
      "    \"eviction\": {\"eviction_policy\": \"LRU\", \"trigger_watermark\": 0.8}}'",
      "",
      "WEFT_CLASSPATH=/opt/other-adapter.jar adds the types of a jar."
    })
final class L2AdapterCommand implements Callable<Integer> {
  @Spec private @Nullable CommandSpec spec;

  @Parameters(
      paramLabel = "JSON",
      arity = "0..1",
      description = "The configuration, as LMCache's --l2-adapter takes it.")
  private @Nullable String configuration;

  @Option(
      names = "--check",
      description = "Create the adapter, report its status and usage, close it.")
  private boolean check;

  @Option(names = "--json", description = "Write the report as JSON.")
  private boolean json;

  /** Puts the types into the help, which is where LMCache's users look for them. */
  static final class WithTypes implements IModelTransformer {
    private static final String SECTION = "adapterTypes";

    @Override
    public CommandSpec transform(CommandSpec spec) {
      UsageMessageSpec usage = spec.usageMessage();
      List<String> keys = new ArrayList<>(usage.sectionKeys());
      keys.add(keys.indexOf(UsageMessageSpec.SECTION_KEY_EXIT_CODE_LIST_HEADING), SECTION);
      usage.sectionKeys(keys);
      usage.sectionMap().put(SECTION, _ -> types(L2Adapters.find()));
      return spec;
    }
  }

  @Override
  public Integer call() throws CommandFailed {
    CommandLine command = Objects.requireNonNull(spec).commandLine();
    L2Adapters adapters = L2Adapters.find();
    if (configuration == null) {
      if (check) {
        throw new ParameterException(command, "--check: name a configuration too");
      }
      list(command, adapters);
      return ExitCodes.OK;
    }
    // Before there are threads: what they would log meanwhile is announced as intercepted.
    var _ = LoggerFactory.getILoggerFactory();
    L2Adapters.Plan plan;
    try {
      plan = adapters.plan(configuration);
    } catch (IllegalArgumentException wrong) {
      throw new ParameterException(command, String.valueOf(wrong.getMessage()), wrong);
    }
    Report report = new Report().section("adapter", "adapter of type " + plan.factory().type());
    report.addSilently("type", plan.factory().type());
    report.text("eviction", plan.eviction().map(Object::toString).orElse("none"), "eviction");
    boolean healthy = !check || tryOut(plan, report);
    report.print(command.getOut(), json);
    return healthy ? ExitCodes.OK : ExitCodes.FAILURE;
  }

  private static boolean tryOut(L2Adapters.Plan plan, Report report) throws CommandFailed {
    try (L2Adapter adapter = plan.create()) {
      Map<String, Object> status = adapter.reportStatus();
      AdapterUsage usage = adapter.usage();
      report.section("status", "status");
      status.forEach(
          (key, value) -> report.add(key, value, key.replace('_', ' '), String.valueOf(value)));
      report
          .section("usage", "usage")
          .bytes("totalBytes", usage.totalBytes(), "held")
          .bytes("capacityBytes", usage.capacityBytes(), "capacity")
          .bySalt(usage.bySalt());
      return Boolean.TRUE.equals(status.get("is_healthy"));
    } catch (IllegalStateException cannotBe) {
      throw new CommandFailed(ExitCodes.FAILURE, String.valueOf(cannotBe.getMessage()));
    }
  }

  private void list(CommandLine command, L2Adapters adapters) {
    if (!json) {
      command.getOut().print(types(adapters));
      command.getOut().flush();
      return;
    }
    Map<String, Object> types = new LinkedHashMap<>();
    for (L2AdapterFactory factory : adapters.factories()) {
      types.put(
          factory.type(),
          Map.of(
              "description", factory.description(),
              "fields", factory.fields().stream().map(L2AdapterCommand::described).toList()));
    }
    Map<String, Object> all = new LinkedHashMap<>();
    all.put("common", L2Adapters.COMMON_FIELDS.stream().map(L2AdapterCommand::described).toList());
    all.put(
        "eviction", L2Adapters.EVICTION_FIELDS.stream().map(L2AdapterCommand::described).toList());
    all.put("types", types);
    Report.printJson(command.getOut(), all);
  }

  private static Map<String, Object> described(ConfigField field) {
    Map<String, Object> described = new LinkedHashMap<>();
    described.put("name", field.name());
    described.put("type", field.type().inWords());
    described.put("default", field.defaultValue());
    described.put("help", field.help());
    return described;
  }

  private static String types(L2Adapters adapters) {
    StringBuilder text = new StringBuilder("%nFields of every type:%n".formatted());
    L2Adapters.COMMON_FIELDS.forEach(field -> describe(text, "", field));
    L2Adapters.EVICTION_FIELDS.forEach(field -> describe(text, "eviction.", field));
    for (L2AdapterFactory factory : adapters.factories()) {
      text.append("%nType %s: %s%n".formatted(factory.type(), factory.description()));
      factory.fields().forEach(field -> describe(text, "", field));
    }
    return text.toString();
  }

  private static void describe(StringBuilder text, String prefix, ConfigField field) {
    String otherwise = field.defaultValue().isEmpty() ? "" : ", default " + field.defaultValue();
    text.append(
        "  %s%s (%s%s)%n".formatted(prefix, field.name(), field.type().inWords(), otherwise));
    int width = 0;
    text.append("     ");
    for (String word : field.help().split(" ", -1)) {
      if (width + word.length() > 88) {
        text.append("%n     ".formatted());
        width = 0;
      }
      text.append(' ').append(word);
      width += word.length() + 1;
    }
    text.append("%n".formatted());
  }
}
