//! Live servers that are slow, endless or hostile: each fault at each stage of a run ends in time,
//! with exit code 2, with what could be seen, and in little memory.

use crate::support::Ran;
use crate::support::fake_server::{Answer, FakeServer, POLICIES, small_fleet};
use std::io::{Result, Write};
use std::net::TcpStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The seconds of a run: enough for its healthy part on a loaded machine.
const RUN: &str = "12";

/// How long a run may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// The most memory of a run, in bytes.
const MEMORY: u64 = 500_000_000;

/// The most memory of a run whose lists are as large together as a run reads, in bytes.
const SUM_MEMORY: u64 = 1_200_000_000;

/// What ends a fault.
#[derive(Clone, Copy, PartialEq, Eq)]
enum End {
    /// The time of the run.
    Time,
    /// The attempts, or a bound.
    Itself,
}

/// What a server does in place of its answer.
#[derive(Clone, Copy)]
enum Act {
    Writes(fn(&mut TcpStream) -> Result<()>),
    Says(u16, &'static str, &'static str),
}

/// A fault of a server: its name, what it does, and what ends it.
type Fault = (&'static str, Act, End);

const FAULTS: [Fault; 17] = [
    ("says nothing", Act::Writes(|_| silence()), End::Time),
    (
        "drips its head",
        Act::Writes(|s| drip(s, b"HTTP/1.1 200 X\r\nX-A: ", b"a")),
        End::Time,
    ),
    (
        "drips header lines",
        Act::Writes(|s| drip(s, b"HTTP/1.1 200 X\r\n", b"A: a\r\n")),
        End::Time,
    ),
    (
        "drips its body",
        Act::Writes(|s| drip(s, b"HTTP/1.1 200 X\r\nContent-Length: 9999\r\n\r\n", b" ")),
        End::Time,
    ),
    (
        "drips chunks",
        Act::Writes(|s| drip(s, CHUNKED, b"1\r\n \r\n")),
        End::Time,
    ),
    (
        "continues without end",
        Act::Writes(|s| endless(s, b"", b"HTTP/1.1 100 Continue\r\n\r\n")),
        End::Time,
    ),
    (
        "sends header lines without end",
        Act::Writes(|s| endless(s, b"HTTP/1.1 200 X\r\n", b"A: aaaaaaaaaaaaaaaa\r\n")),
        End::Itself,
    ),
    (
        "sends a header line without end",
        Act::Writes(|s| endless(s, b"HTTP/1.1 200 X\r\nA: ", b"aaaaaaaaaaaaaaaa")),
        End::Itself,
    ),
    (
        "breaks off",
        Act::Writes(|s| s.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 9\r\n\r\n{")),
        End::Itself,
    ),
    ("closes", Act::Writes(|_| Ok(())), End::Itself),
    (
        "speaks no HTTP",
        Act::Writes(|s| s.write_all(b"SSH-2.0-OpenSSH_9.6\r\n")),
        End::Itself,
    ),
    (
        "asks to come back in three years",
        Act::Says(429, "Retry-After: 99999999\r\n", "{}"),
        End::Itself,
    ),
    ("sends no JSON", Act::Says(200, "", "<html>"), End::Itself),
    (
        "sends a body without end",
        Act::Writes(|s| endless(s, CHUNKED, &chunk())),
        End::Itself,
    ),
    (
        "sends 250 MB of []",
        Act::Writes(|s| many(s, b"", b"[][][][]")),
        End::Itself,
    ),
    (
        "sends 250 MB of [] in a list",
        Act::Writes(|s| many(s, b"{\"kind\":\"List\",\"items\":[[]", b",[]")),
        End::Itself,
    ),
    (
        "sends 250 MB of members of an object",
        Act::Writes(|s| {
            many(
                s,
                b"{\"kind\":\"List\",\"items\":[{\"metadata\":{\"name\":\"a\"},\"spec\":{\"\":0",
                b",\"\":0",
            )
        }),
        End::Itself,
    ),
];

const CHUNKED: &[u8] = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n";

/// A chunk of 4 KiB of white space.
fn chunk() -> Vec<u8> {
    [b"1000\r\n", &[b' '; 4096][..], b"\r\n"].concat()
}

fn silence() -> Result<()> {
    std::thread::sleep(3 * PATIENCE);
    Ok(())
}

/// Writes a byte or a line each second.
fn drip(stream: &mut TcpStream, start: &[u8], drop: &[u8]) -> Result<()> {
    stream.write_all(start)?;
    loop {
        stream.write_all(drop)?;
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Writes the same bytes until the client closes the connection.
fn endless(stream: &mut TcpStream, start: &[u8], part: &[u8]) -> Result<()> {
    stream.write_all(start)?;
    let block = part.repeat(1 + (1 << 16) / part.len());
    loop {
        stream.write_all(&block)?;
    }
}

/// Writes a body of 250 MB.
fn many(stream: &mut TcpStream, start: &[u8], part: &[u8]) -> Result<()> {
    const BODY: usize = 250_000_000;

    write!(stream, "HTTP/1.1 200 X\r\nContent-Length: {BODY}\r\n\r\n")?;
    endless(stream, start, part)
}

/// A request that a fault answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Version,
    CoreKinds,
    OtherKinds,
    List,
    SecondPage,
    AccessReview,
}

const STAGES: [Stage; 6] = [
    Stage::Version,
    Stage::CoreKinds,
    Stage::OtherKinds,
    Stage::List,
    Stage::SecondPage,
    Stage::AccessReview,
];

impl Stage {
    fn is(self, path: &str) -> bool {
        let is_list = path.starts_with(POLICIES);
        match self {
            Self::Version => path == "/version",
            Self::CoreKinds => path == "/api",
            Self::OtherKinds => path == "/apis",
            Self::List => is_list,
            Self::SecondPage => is_list && path.contains("continue="),
            Self::AccessReview => path.ends_with("subjectaccessreviews"),
        }
    }

    /// Whether the other lists are there when this stage fails.
    const fn has_lists(self) -> bool {
        matches!(self, Self::List | Self::SecondPage | Self::AccessReview)
    }
}

/// The first page of a list, of one policy.
const FIRST_PAGE: &str = r#"{"kind": "List", "metadata": {"continue": "next"}, "items": [{"metadata": {"name": "one", "namespace": "blue"}, "spec": {"podSelector": {}}}]}"#;

/// Starts a server that has a fault at a stage.
fn server(stage: Stage, act: Act) -> FakeServer {
    FakeServer::start(move |path, _| {
        if stage.is(path) {
            return Some(match act {
                Act::Writes(write) => Answer::Writes(write),
                Act::Says(status, headers, body) => Answer::Says(status, headers, body.into()),
            });
        }
        let is_first = stage == Stage::SecondPage && path.starts_with(POLICIES);
        is_first.then(|| Answer::Says(200, "", FIRST_PAGE.into()))
    })
}

/// The end of a run against a server.
struct Measured {
    ran: Ran,
    took: Duration,
    memory: u64,
}

/// The most memory that a process had so far, in bytes, where the system tells it. (`wait4` counts
/// the memory of the parent before the program starts, too.)
fn peak(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

/// Runs a command against a server, and measures it.
fn run(server: &FakeServer, args: &[&str]) -> Measured {
    let sandbox = small_fleet(&server.url, "{}");
    let (out, err) = (sandbox.path().join("out"), sandbox.path().join("err"));
    let file = |path| Stdio::from(std::fs::File::create(path).expect("a file"));

    let mut command = sandbox.command(args);
    command
        .env("KUBECONFIG", sandbox.path().join("kubeconfig"))
        .stdin(Stdio::null())
        .stdout(file(&out))
        .stderr(file(&err));
    let started = Instant::now();
    let mut child = command.spawn().expect("the program starts");
    let mut memory = 0;
    let status = loop {
        memory = peak(child.id()).unwrap_or(0).max(memory);
        if let Some(status) = child.try_wait().expect("it runs") {
            break status;
        }
        std::thread::sleep(Duration::from_millis(10));
    };

    let text = |path| String::from_utf8(std::fs::read(path).expect("a file")).expect("UTF-8");
    Measured {
        ran: Ran {
            code: status.code().unwrap_or(-1),
            out: text(&out),
            err: text(&err),
        },
        took: started.elapsed(),
        memory,
    }
}

/// Runs some work for each item, a few at a time: most of them wait.
fn each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed)) {
                    work(item);
                }
            });
        }
    });
}

#[test]
fn each_fault_at_each_stage_ends_in_time_with_what_could_be_seen() {
    let all: Vec<(Stage, &Fault)> = STAGES
        .iter()
        .flat_map(|stage| FAULTS.iter().map(move |fault| (*stage, fault)))
        .collect();

    each(&all, |(stage, (name, act, end))| {
        let server = server(*stage, *act);
        let (time, patience) = match end {
            End::Time => (RUN, Duration::from_secs(12 + 12)),
            End::Itself => ("60", Duration::from_secs(60)),
        };
        let Measured { ran, took, memory } = run(&server, &["verify", "--timeout", time]);
        let context = format!("{stage:?} {name}: {took:?} {memory} {}", ran.all());

        assert_eq!(ran.code, 2, "{context}");
        assert!(took < patience, "{context}");
        assert!(memory < MEMORY, "{context}");
        let is_bug = ran.err.contains("panicked") || ran.err.contains("this is a bug");
        assert!(!is_bug, "{context}");
        assert_eq!(
            *end == End::Time,
            ran.all().contains(&format!("--timeout {time}")),
            "{context}"
        );

        if stage.has_lists() {
            assert!(ran.out.contains("live/not-listed"), "{context}");
            assert!(
                ran.out
                    .contains("Kustomization flux-system/tenantry is not there"),
                "{context}"
            );
            assert!(ran.err.contains("the report is incomplete"), "{context}");
        }
        if *stage == Stage::SecondPage {
            assert!(ran.out.contains("1 objects were read"), "{context}");
        }
    });
}

/// Lists that the server never ends: by ever new continue tokens, and by many objects.
#[test]
fn endless_lists_end_in_time() {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let page = || {
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        format!(
            r#"{{"kind": "List", "metadata": {{"continue": "{next}"}}, "items": [{{"metadata": {{"name": "x{next}", "namespace": "blue"}}}}]}}"#
        )
    };
    let server = FakeServer::start(move |path, _| {
        let is_list = path.contains("limit=");
        is_list.then(|| Answer::Says(200, "", page()))
    });

    for command in [&["verify"][..], &["prove", "--live"]] {
        let args = [command, &["--timeout", "5"]].concat();
        let Measured { ran, took, memory } = run(&server, &args);
        let context = format!("{command:?}: {took:?} {memory} {}", ran.all());

        assert_eq!(ran.code, 2, "{context}");
        assert!(took < PATIENCE && memory < MEMORY, "{context}");
        assert!(ran.all().contains("--timeout 5"), "{context}");
        assert!(ran.err.contains("lists could not be fetched"), "{context}");
    }
}

/// Every command that connects has the same bounds.
#[test]
fn each_command_that_connects_ends_in_time() {
    let commands: [&[&str]; 4] = [
        &["verify", "--wait"],
        &["verify", "--print-capabilities"],
        &["verify", "--snapshot", "live.json"],
        &["prove", "--live"],
    ];
    let faults = [FAULTS[0], FAULTS[3], FAULTS[11]];
    let all: Vec<(&[&str], Stage, Fault)> = commands
        .into_iter()
        .flat_map(|command| faults.map(|fault| (command, fault)))
        .flat_map(|(command, fault)| {
            [Stage::Version, Stage::OtherKinds, Stage::List].map(|stage| (command, stage, fault))
        })
        .collect();

    each(&all, |(command, stage, (name, act, _))| {
        let server = server(*stage, *act);
        let args = [command, &["--timeout", "6"][..]].concat();
        let Measured { ran, took, .. } = run(&server, &args);
        let context = format!("{command:?} {stage:?} {name}: {took:?} {}", ran.all());

        // The capabilities need no list of policies.
        let needs = *stage != Stage::List || !command.contains(&"--print-capabilities");
        assert_eq!(ran.code, if needs { 2 } else { 0 }, "{context}");
        assert!(took < PATIENCE, "{context}");
    });
}

/// With `--wait`, a list that timed out is asked for again, and its answer counts.
#[test]
fn wait_asks_again_for_a_list_that_timed_out() {
    let server = FakeServer::start(|path, nth| {
        // Three attempts are one list.
        let is_late = path.starts_with(POLICIES) && nth <= 3;
        is_late.then_some(Answer::Stalls("{", 3600))
    });
    let args = [
        "verify",
        "--wait",
        "--request-timeout",
        "3",
        "--timeout",
        "30",
    ];
    let Measured { ran, took, .. } = run(&server, &args);

    assert_eq!(ran.code, 1, "{took:?} {}", ran.all());
    assert!(!ran.out.contains("live/not-listed"), "{}", ran.all());
    let lists = server
        .asked()
        .into_iter()
        .filter(|p| p.starts_with(POLICIES));
    assert!(lists.count() > 3);
}

/// A cluster that is still on its way at the end of the time has the exit code of its last complete
/// answer.
#[test]
fn a_complete_answer_that_has_not_converged_stays_1() {
    let ending = r#"{"kind": "List", "metadata": {}, "items": [{"metadata": {"name": "blue", "creationTimestamp": "2026-11-22T00:00:00Z", "deletionTimestamp": "2026-11-22T00:00:00Z"}}]}"#;
    for second_round_hangs in [false, true] {
        let server = FakeServer::start(move |path, nth| match path.split('?').next() {
            Some("/api/v1/namespaces") => Some(Answer::Says(200, "", ending.into())),
            Some(POLICIES) if second_round_hangs && nth > 1 => Some(Answer::Stalls("{", 3600)),
            _ => None,
        });
        let args = [
            "verify",
            "--wait",
            "--timeout",
            RUN,
            "--clock",
            "2026-11-22T00:01:00Z",
        ];
        let Measured { ran, took, .. } = run(&server, &args);

        assert_eq!(ran.code, 1, "{took:?} {}", ran.all());
        assert!(took < PATIENCE, "{took:?} {}", ran.all());
        assert!(
            ran.err.contains("not converged after 12 s"),
            "{}",
            ran.all()
        );
        assert!(!ran.out.contains("live/not-listed"), "{}", ran.all());
    }
}

/// What many lists, or many pages, bring together is bounded.
#[test]
fn the_sum_of_many_pages_is_bounded() {
    // 80 policies of 100,000 empty rules, in pages of two.
    let server = FakeServer::start(|path, _| {
        let at = match path.split("continue=").nth(1) {
            _ if !path.starts_with(POLICIES) => return None,
            Some(at) => at.parse().expect("a number"),
            None => 0,
        };
        let rules = "{},".repeat(99_999);
        let policy = |name: usize| {
            format!(
                r#"{{"metadata": {{"name": "p{name}", "namespace": "blue"}}, "spec": {{"podSelector": {{}}, "egress": [{rules}{{}}]}}}}"#
            )
        };
        let next = if at < 80 {
            (at + 2).to_string()
        } else {
            String::new()
        };
        let body = format!(
            r#"{{"kind": "List", "metadata": {{"continue": "{next}"}}, "items": [{}, {}]}}"#,
            policy(at),
            policy(at + 1)
        );
        Some(Answer::Says(200, "", body))
    });
    let Measured { ran, memory, .. } = run(&server, &["verify", "--timeout", "120"]);

    assert_eq!(ran.code, 2, "{memory} {}", ran.all());
    let why = "more than 12000000 elements of network policies, roles and bindings together";
    assert!(ran.out.contains(why), "{memory} {}", ran.all());
    assert!(memory < SUM_MEMORY, "{memory}");
}

/// A page that is too large to be read at once is read in smaller ones.
#[test]
fn a_large_page_is_read_in_smaller_ones() {
    let server = FakeServer::start(|path, _| {
        if !path.starts_with(POLICIES) {
            return None;
        }
        let number = |name: &str| {
            let mut fields = path.split(['?', '&']);
            fields.find_map(|field| field.strip_prefix(name)?.parse::<usize>().ok())
        };
        let (from, size) = (
            number("continue=").unwrap_or(0),
            number("limit=").unwrap_or(500),
        );
        let until = (from + size).min(60);
        let padding = "x".repeat(1 << 20);
        let items: Vec<String> = (from..until)
            .map(|at| {
                format!(
                    r#"{{"metadata": {{"name": "p{at}", "namespace": "blue", "annotations": {{"a": "{padding}"}}}}, "spec": {{"podSelector": {{}}}}}}"#
                )
            })
            .collect();
        let next = if until < 60 {
            until.to_string()
        } else {
            String::new()
        };
        let body = format!(
            r#"{{"kind": "List", "metadata": {{"continue": "{next}"}}, "items": [{}]}}"#,
            items.join(",")
        );
        Some(Answer::Says(200, "", body))
    });
    let Measured { ran, memory, .. } = run(&server, &["verify", "--timeout", "120"]);

    assert!(ran.out.contains("60 objects looked at"), "{}", ran.all());
    assert!(ran.code == 1 && memory < MEMORY, "{memory} {}", ran.all());
}
