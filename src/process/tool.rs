//! One run of a trusted, short-lived program of the coordinator's own (git).
//!
//! Owns the run from start to collected output. Promises bounds on time and memory, and that nothing of the
//! program's process group is left after a failure or when the run is dropped. Never runs anything of an
//! agent's: a program that could detach itself belongs under a keeper.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::timeout;

use super::lookup;

/// A program to run once.
#[derive(Clone)]
pub struct Tool {
    /// A bare name, looked up in the `PATH` of `env`; with a slash, a path relative to `cwd`.
    pub program: String,
    /// The program's arguments, without its own name.
    pub args: Vec<String>,
    /// The program's working directory.
    pub cwd: PathBuf,
    /// The program's whole environment; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// What the program finds on its standard input; none is `/dev/null`.
    pub stdin: Option<Vec<u8>>,
    /// How long it may take.
    pub timeout: Duration,
    /// How much it may write to each of standard output and standard error.
    pub output_limit_bytes: usize,
}

/// What a program that ended by itself left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolOutput {
    /// The exit code, 0 or another.
    pub code: i32,
    /// All of standard output.
    pub stdout: Vec<u8>,
    /// All of standard error.
    pub stderr: Vec<u8>,
}

/// Why a run gave no output.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// No executable of that name on the `PATH` given, or at that path.
    #[error("program `{program}` is not found: install it, or give its full path or a PATH that has it")]
    NotFound { program: String },
    /// It ran for too long and was killed.
    #[error("program `{program}` did not end within {} ms and was killed", limit.as_millis())]
    TimedOut { program: String, limit: Duration },
    /// It wrote too much and was killed.
    #[error("program `{program}` wrote more than {limit_bytes} bytes and was killed")]
    OutputTooLarge { program: String, limit_bytes: usize },
    /// A signal ended it.
    #[error("program `{program}` was ended by signal {signal}")]
    Signalled { program: String, signal: i32 },
    /// Starting it or talking to it failed.
    #[error("program `{program}` could not be run: {source}")]
    Io { program: String, source: io::Error },
}

impl Tool {
    /// Runs it to its end; a code other than 0 is no error. Dropping the future kills the program.
    pub async fn run(self) -> Result<ToolOutput, ToolError> {
        let Self { program, args, cwd, env, stdin, timeout: limit, output_limit_bytes } = self;
        let path = lookup::find(&program, &cwd, env.get("PATH").map(String::as_str))
            .map_err(|_| ToolError::NotFound { program: program.clone() })?;
        #[expect(clippy::disallowed_methods, reason = "the one place that starts tools")]
        let mut command = Command::new(path);
        command.arg0(&program).args(args).env_clear().envs(env).current_dir(cwd).process_group(0);
        command.stdin(if stdin.is_some() { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let child = match command.spawn() {
            Ok(child) => child,
            Err(source) => return Err(ToolError::Io { program, source }),
        };
        match timeout(limit, attend(child, stdin, output_limit_bytes)).await {
            Err(_) => Err(ToolError::TimedOut { program, limit }),
            Ok(Err(source)) => Err(ToolError::Io { program, source }),
            Ok(Ok(None)) => Err(ToolError::OutputTooLarge { program, limit_bytes: output_limit_bytes }),
            Ok(Ok(Some((status, stdout, stderr)))) => match status.code() {
                Some(code) => Ok(ToolOutput { code, stdout, stderr }),
                None => Err(ToolError::Signalled { program, signal: status.signal().unwrap_or(0) }),
            },
        }
    }
}

/// Kills the group when dropped before the leader was waited for: until then its number is its own.
struct Group {
    leader: Option<Pid>,
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(leader) = self.leader {
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

type Ended = (ExitStatus, Vec<u8>, Vec<u8>);

/// Feeds, collects and waits; none when the output is too large.
async fn attend(mut child: Child, input: Option<Vec<u8>>, limit_bytes: usize) -> io::Result<Option<Ended>> {
    let leader = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    let mut group = Group { leader };
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(stdout), Some(stderr)) = (stdout, stderr) else {
        return Err(io::Error::other("its output is not piped"));
    };
    let collected =
        tokio::try_join!(feed(stdin, input), collect(stdout, limit_bytes), collect(stderr, limit_bytes));
    let ((), stdout, stderr) = match collected {
        Ok(collected) => collected,
        Err(Trouble::TooLarge) => return Ok(None),
        Err(Trouble::Io(error)) => return Err(error),
    };
    let status = child.wait().await?;
    group.leader = None;
    Ok(Some((status, stdout, stderr)))
}

enum Trouble {
    TooLarge,
    Io(io::Error),
}

async fn feed(stdin: Option<ChildStdin>, input: Option<Vec<u8>>) -> Result<(), Trouble> {
    let (Some(mut stdin), Some(input)) = (stdin, input) else { return Ok(()) };
    match stdin.write_all(&input).await {
        // Not to read all of its input is the program's own right.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        fed => fed.map_err(Trouble::Io),
    }
}

async fn collect(stream: impl AsyncRead + Unpin, limit_bytes: usize) -> Result<Vec<u8>, Trouble> {
    let mut bytes = Vec::new();
    // One byte more than allowed tells "full" from "too much".
    stream.take(limit_bytes as u64 + 1).read_to_end(&mut bytes).await.map_err(Trouble::Io)?;
    if bytes.len() > limit_bytes { Err(Trouble::TooLarge) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tokio::time::interval;

    use super::*;

    fn tool(program: &str, args: &[&str]) -> Tool {
        Tool {
            program: program.to_owned(),
            args: args.iter().map(|&arg| arg.to_owned()).collect(),
            cwd: PathBuf::from("/"),
            env: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
            stdin: None,
            timeout: Duration::from_secs(30),
            output_limit_bytes: 1024 * 1024,
        }
    }

    fn shell(script: &str) -> Tool {
        tool("sh", &["-c", script])
    }

    async fn gone(number: &str) {
        let mut pause = interval(Duration::from_millis(10));
        let waiting = async {
            // A zombie has no command line: it only waits for init to look.
            while fs::read(format!("/proc/{number}/cmdline")).is_ok_and(|line| !line.is_empty()) {
                pause.tick().await;
            }
        };
        timeout(Duration::from_secs(30), waiting).await.expect("the tool's child is gone");
    }

    #[tokio::test]
    async fn code_and_both_outputs_are_collected() {
        let output = shell("echo out; echo err >&2; exit 3").run().await.unwrap();
        assert_eq!(output, ToolOutput { code: 3, stdout: b"out\n".to_vec(), stderr: b"err\n".to_vec() });
    }

    #[tokio::test]
    async fn environment_and_folder_are_those_given() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().canonicalize().unwrap();
        let mut env = tool("env", &[]);
        env.env.insert("GIT_DIR".to_owned(), "x".to_owned());
        let mut pwd = tool("pwd", &[]);
        pwd.cwd = folder.clone();

        assert_eq!(env.run().await.unwrap().stdout, b"GIT_DIR=x\nPATH=/usr/bin:/bin\n");
        let folder = format!("{}\n", folder.display());
        assert_eq!(String::from_utf8(pwd.run().await.unwrap().stdout).unwrap(), folder);
    }

    #[tokio::test]
    async fn input_larger_than_a_pipe_passes_and_an_unread_one_is_no_error() {
        let input = vec![b'x'; 512 * 1024];
        let mut reads = tool("cat", &[]);
        reads.stdin = Some(input.clone());
        assert_eq!(reads.run().await.unwrap().stdout, input);

        let mut reads_nothing = tool("true", &[]);
        reads_nothing.stdin = Some(input);
        assert_eq!(reads_nothing.run().await.unwrap().code, 0);

        assert_eq!(tool("cat", &[]).run().await.unwrap().stdout, b"");
    }

    #[tokio::test]
    async fn missing_program_and_missing_folder_are_told_apart() {
        let error = tool("no-such-tool", &[]).run().await.unwrap_err();
        assert!(matches!(&error, ToolError::NotFound { program } if program == "no-such-tool"), "{error}");

        let mut nowhere = tool("true", &[]);
        nowhere.cwd = PathBuf::from("/no/such/folder");
        let error = nowhere.run().await.unwrap_err();
        assert!(matches!(&error, ToolError::Io { .. }), "{error}");
    }

    #[tokio::test]
    async fn end_by_a_signal_is_an_error() {
        let error = shell("kill -TERM $$").run().await.unwrap_err();
        assert!(matches!(error, ToolError::Signalled { signal: 15, .. }), "{error}");
    }

    #[tokio::test]
    async fn group_is_killed_when_time_is_up() {
        let folder = tempfile::tempdir().unwrap();
        let mut slow = shell("sleep 600 & echo $! > child; wait");
        slow.cwd = folder.path().to_owned();
        slow.timeout = Duration::from_secs(1);

        let error = slow.run().await.unwrap_err();

        assert!(matches!(error, ToolError::TimedOut { .. }), "{error}");
        gone(fs::read_to_string(folder.path().join("child")).unwrap().trim()).await;
    }

    #[tokio::test]
    async fn output_of_exactly_the_limit_passes_and_endless_output_is_cut_off() {
        let mut exact = shell("printf 12345678");
        exact.output_limit_bytes = 8;
        assert_eq!(exact.run().await.unwrap().stdout, b"12345678");

        for script in ["printf 123456789", "yes", "yes >&2"] {
            let mut flood = shell(script);
            flood.output_limit_bytes = 8;
            let error = flood.run().await.unwrap_err();
            assert!(matches!(error, ToolError::OutputTooLarge { limit_bytes: 8, .. }), "{script}: {error}");
        }
    }

    #[tokio::test]
    async fn dropped_run_kills_the_group() {
        let folder = tempfile::tempdir().unwrap();
        let child = folder.path().join("child");
        let mut slow = shell("sleep 600 & echo $! > new; mv new child; wait");
        slow.cwd = folder.path().to_owned();
        let running = tokio::spawn(slow.run());
        let mut pause = interval(Duration::from_millis(10));
        let starting = async {
            while !child.exists() {
                pause.tick().await;
            }
        };
        timeout(Duration::from_secs(30), starting).await.unwrap();

        running.abort();

        gone(fs::read_to_string(&child).unwrap().trim()).await;
    }
}
