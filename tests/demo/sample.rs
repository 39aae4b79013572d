//! The demo's sample project: its gates are honest, in every shell that is there.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use mosaic_coordinator::{
    config::{PolicyConfig, repository_policy},
    domain::{
        gate::{GateReport, Verdict},
        id::{CommitId, TreeId},
    },
    gate,
    process::Keeper,
};
use tempfile::TempDir;

/// A copy of the project, and a folder in which `sh` is the shell in question.
struct Project {
    folder: TempDir,
    path: String,
}

/// What is told of shells beside the one that is `sh` here.
const SHELLS: [&str; 3] = ["dash", "bash", "busybox"];

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/demo")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A fresh project for each shell that this machine has; at least the one called `sh`.
#[allow(clippy::disallowed_methods)]
fn projects() -> Vec<Project> {
    let path = std::env::var("PATH").unwrap();
    let find = |shell: &str| std::env::split_paths(&path).map(|at| at.join(shell)).find(|at| at.exists());
    let found: Vec<PathBuf> = SHELLS.iter().filter_map(|shell| find(shell)).collect();
    let found = if found.is_empty() { vec![find("sh").unwrap()] } else { found };
    found.iter().map(|shell| Project::new(shell)).collect()
}

impl Project {
    fn new(shell: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // Nothing but `sh` is there: that is all that the project may need.
        let programs = folder.path().join("programs");
        fs::create_dir(&programs).unwrap();
        symlink(shell, programs.join("sh")).unwrap();
        copy(&source().join("sample"), &folder.path().join("tree"));
        Self { path: programs.display().to_string(), folder }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join("tree").join(path)
    }

    fn append(&self, path: &str, text: &str) {
        let before = fs::read_to_string(self.at(path)).unwrap_or_default();
        fs::write(self.at(path), before + text).unwrap();
    }

    fn remove(&self, path: &str) {
        fs::remove_file(self.at(path)).unwrap();
    }

    /// The work of all five issues, as it is in the end.
    fn finish(&self) {
        for name in ["calendar", "yearday", "weekday", "isoweek", "page"] {
            for (from, to) in [
                (format!("work/{name}.sh"), format!("lib/{name}.sh")),
                (format!("work/{name}_test.sh"), format!("tests/{name}_test.sh")),
            ] {
                let text = fs::read_to_string(source().join(from)).unwrap();
                fs::write(self.at(&to), text.replace("{{offsets}}", "0 3 2 5 0 3 5 1 4 6 2 4")).unwrap();
            }
        }
    }

    /// Runs the gates that `.mosaic.toml` defines, as the coordinator does.
    async fn gates(&self) -> GateReport {
        let rules = fs::read_to_string(self.at(".mosaic.toml")).unwrap();
        let gates = repository_policy(&rules, &PolicyConfig::default()).unwrap().gates.unwrap();
        gate::run(gate::GateRun {
            keeper: Keeper::at(PathBuf::from(env!("CARGO_BIN_EXE_mosaic-coordinator"))),
            checkout: &self.at(""),
            scratch: self.folder.path().join("scratch"),
            commit: CommitId("c".repeat(40)),
            tree: TreeId("7".repeat(40)),
            gates: &gates,
            environment: &BTreeMap::from([("PATH".to_owned(), self.path.clone())]),
            output_limit_bytes: 1024 * 1024,
            progress: |_| {},
        })
        .await
    }

    /// Runs one tool by hand.
    #[allow(clippy::disallowed_methods)]
    fn tool(&self, name: &str) -> (bool, String) {
        let mut tool = std::process::Command::new(Path::new(&self.path).join("sh"));
        tool.arg(format!("tools/{name}.sh")).current_dir(self.at("")).env_clear().env("PATH", &self.path);
        let output = tool.output().unwrap();
        (output.status.success(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
    }

    fn coverage(&self) -> (String, String) {
        let (_, said) = self.tool("coverage");
        (fs::read_to_string(self.at("coverage/lcov.info")).unwrap(), said)
    }
}

fn red(report: &GateReport) -> Vec<&str> {
    assert_eq!(report.gates.len(), 4);
    let red = report.gates.iter().filter(|(_, gate)| gate.verdict != Verdict::Green);
    red.map(|(name, gate)| {
        assert_eq!(gate.verdict, Verdict::Red, "{name}: {gate:?}");
        name.as_str()
    })
    .collect()
}

fn line_percent(report: &GateReport) -> f64 {
    report.gates["coverage"].line_percent.unwrap()
}

#[tokio::test]
async fn the_base_passes_all_four_gates_with_nothing_but_a_shell() {
    for project in projects() {
        let report = project.gates().await;
        assert_eq!(red(&report), [""; 0], "{report:?}");
        assert_eq!(line_percent(&report), 100.0);
    }
}

#[tokio::test]
async fn the_work_of_all_five_issues_passes_too_and_the_first_draft_does_not() {
    for project in projects() {
        project.finish();
        let report = project.gates().await;
        assert_eq!(red(&report), [""; 0], "{report:?}");

        fs::copy(source().join("work/yearday_first.sh"), project.at("lib/yearday.sh")).unwrap();
        let report = project.gates().await;
        assert!(red(&report).contains(&"test"), "{report:?}");
        assert!(report.gates["test"].output.contains("expected '366', got '365'"));
    }
}

#[tokio::test]
async fn a_defect_of_each_kind_turns_exactly_its_gate_red() {
    let untested = "\n# idle NUMBER: is run by no test.\nidle() {\n    local number=$1\n    number=$((number + 1))\n    \
                    echo \"$number\"\n}\n";
    let defects = [
        ("build", "examples/ruler.sh", "if true; then\n"),
        ("lint", "examples/ruler.sh", "echo done \n"),
        ("test", "tests/text_test.sh", "equal 'one and one' 3 $((1 + 1))\n"),
        ("coverage", "lib/text.sh", untested),
    ];
    for (gate, path, defect) in defects {
        for project in projects() {
            project.append(path, defect);
            let report = project.gates().await;
            assert_eq!(red(&report), [gate], "{report:?}");
        }
    }
}

#[tokio::test]
async fn a_test_less_is_less_coverage_and_no_test_is_red() {
    for project in projects() {
        project.remove("tests/text_test.sh");
        let fewer = project.gates().await;
        assert_eq!(red(&fewer), ["coverage"], "{fewer:?}");
        assert!(line_percent(&fewer) < 50.0, "{fewer:?}");

        project.remove("tests/numbers_test.sh");
        let none = project.gates().await;
        assert_eq!(red(&none), ["coverage", "test"], "{none:?}");
        assert!(none.gates["test"].output.contains("0 files of tests"), "{none:?}");
    }
}

#[test]
fn one_assertion_less_is_less_coverage() {
    for project in projects() {
        let tests = fs::read_to_string(project.at("tests/text_test.sh")).unwrap();
        let (kept, dropped): (Vec<&str>, Vec<&str>) =
            tests.lines().partition(|line| !line.contains("as wide") && !line.contains("wider"));
        assert_eq!(dropped.len(), 2);
        fs::write(project.at("tests/text_test.sh"), kept.join("\n") + "\n").unwrap();
        let (report, said) = project.coverage();
        assert!(report.contains("\nDA:18,0\n"), "{report}");
        assert!(said.contains("lib/text.sh:18: never run: printf"), "{said}");
        assert!(said.contains("lib/text.sh: 9 of 10 lines run"), "{said}");
    }
}

#[test]
fn a_file_of_tests_that_ends_early_or_checks_nothing_is_red() {
    for (text, wanted) in [
        ("exit 0\n", "ended before its last check (exit 0)"),
        ("no_such_command\nexit 3\n", "ended before its last check (exit 3)"),
        ("# nothing\n", "0 checks, 0 failed"),
        ("holds 'no' false\nrefuses 'yes' true\n", "2 checks, 2 failed"),
    ] {
        for project in projects() {
            fs::write(project.at("tests/odd_test.sh"), text).unwrap();
            let (green, said) = project.tool("test");
            assert!(!green && said.contains(wanted), "{text}: {said}");
            assert!(said.contains("3 files of tests, 1 of them failed"), "{text}: {said}");
        }
    }
}

#[test]
fn each_rule_of_the_style_is_held() {
    let long = format!("echo {}\n", "x".repeat(100));
    let findings = [
        ("examples/odd.sh", "\techo tab\n", ":1: a tab"),
        ("examples/odd.sh", "echo blank \n", ":1: a blank at the end"),
        ("examples/odd.sh", &long, ":1: 105 columns, more than 100"),
        ("examples/odd.sh", "\necho `ls`\n", ":2: a backquote"),
        ("examples/odd.sh", "true && eval echo\n", ":1: eval"),
        ("examples/odd.sh", "echo \\\n    two\n", ":1: a command on two lines"),
        ("examples/odd.sh", "true &&\n    true\n", ":1: a command on two lines"),
        ("examples/odd.sh", "true |\n    true\n", ":1: a command on two lines"),
        ("examples/odd.sh", "echo end", "the last line has no end"),
        ("lib/odd.sh", "echo loaded\n", ":1: a command outside of a function"),
        ("lib/odd.sh", "odd() {\n    :\n}\n", ":1: odd has no comment '# odd ...' right above it"),
        ("lib/odd.sh", "# even: no.\nodd() {\n    :\n}\n", ":2: odd has no comment"),
        ("lib/odd.sh", "# odd: yes.\nodd() {\n    cat <<end\nend\n}\n", ":3: a here-document"),
    ];
    for project in projects() {
        for (path, text, wanted) in findings {
            fs::write(project.at(path), text).unwrap();
            let (green, said) = project.tool("lint");
            assert!(!green && said.contains(&format!("{path}:")) && said.contains(wanted), "{text}: {said}");
            project.remove(path);
        }
        let (green, said) = project.tool("lint");
        assert!(green, "{said}");
    }
}

/// Every shape of a line: what is run is marked, what is not is not, and marking changes nothing.
#[test]
fn coverage_tells_the_lines_that_are_run() {
    let library = "\
# shapes NUMBER: one of each.
shapes() {
    local left=$1
    if [ \"$left\" -eq 7 ]; then
        echo never
    elif false; then
        echo never
    else
        : else
    fi
    for word in a b; do
        case $word in
            a | c) echo \"$word)\" ;;
            b)
                false
                echo \"$?\"
                ;;
            x) echo never ;;
            *) ;;
        esac
    done
    while [ \"$left\" -gt 0 ]; do
        left=$((left - 1))
    done
    finish 2>&1
    return 3
    echo never
}

# finish: tells something on standard error.
finish() {
    (
        echo 'a) b' >&2
    )
}
";
    let tests = "\
said=$(shapes 2)
equal 'exit code' 3 \"$?\"
equal 'output' 'a) 1 a) b' \"$(echo $said)\"
";
    let run = [3, 4, 6, 9, 13, 15, 16, 22, 23, 25, 26, 33];
    let not_run = [5, 7, 18, 27];
    for project in projects() {
        fs::write(project.at("lib/shapes.sh"), library).unwrap();
        fs::write(project.at("tests/shapes_test.sh"), tests).unwrap();
        let (green, said) = project.tool("test");
        assert!(green, "{said}");
        let (report, _) = project.coverage();
        let part = report.split("SF:lib/shapes.sh\n").nth(1).unwrap().split("end_of_record").next().unwrap();
        let mut lines: Vec<(u32, u32)> =
            run.map(|line| (line, 1)).into_iter().chain(not_run.map(|line| (line, 0))).collect();
        lines.sort_unstable();
        let lines: String = lines.iter().map(|(line, hit)| format!("DA:{line},{hit}\n")).collect();
        assert_eq!(part, format!("{lines}LF:16\nLH:12\n"), "{}", project.path);
    }
}

#[test]
fn a_line_that_cannot_be_marked_is_told() {
    for project in projects() {
        let text =
            "# odd WORD: a label with a blank.\nodd() {\n    case $1 in\n        'x y') : ;;\n    esac\n}\n";
        fs::write(project.at("lib/odd.sh"), text).unwrap();
        assert!(project.tool("build").0);
        let (green, said) = project.tool("coverage");
        assert!(!green && said.contains("lib/odd.sh: cannot be marked, see README.md"), "{said}");
    }
}
