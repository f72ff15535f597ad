//! Whole runs of the program over a generated fleet, each beside a bare program that does the
//! disk's part of the same work in the same minute: `cargo bench`, and what it printed stands in
//! docs/performance.md.
//!
//! Flags after `--`: `--tenants N` (10000), `--rounds N` (5), `--growth` (1,000 to 100,000
//! tenants), `--peers` (helm and kustomize, by benches/peers.sh), `--proof` (the proof by itself,
//! in the library).

#[path = "../tests/support/generate.rs"]
mod generate;
mod proof;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wait4::Wait4;

const PROGRAM: &str = env!("CARGO_BIN_EXE_tenantry");
/// As much as is read of a file of the tree for its record, in bytes.
const HEAD: usize = 4 << 10;
const NOW: [&str; 2] = ["--now", "2026-11-22"];

fn main() {
    let args: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| a != "--bench")
        .collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    if let ["bare", work @ ..] = words.as_slice() {
        return bare(work);
    }
    let number = |flag: &str, default: usize| {
        let at = words.iter().position(|w| *w == flag);
        at.map_or(default, |i| {
            words
                .get(i + 1)
                .and_then(|n| n.parse().ok())
                .expect("a number after the flag")
        })
    };
    let has = |flag: &str| words.contains(&flag);
    if has("--proof") {
        return proof::run();
    }
    let bench = Bench::new(number("--tenants", 10_000), number("--rounds", 5));
    bench.fleet();
    if has("--peers") {
        bench.peers();
    }
    if has("--growth") {
        growth(&bench.folder);
    }
    bench.clean_up();
}

/// A run of the program just after another one, so that the memory which it takes has been taken a
/// moment ago: pages that a virtual machine's host took back, which it may do within seconds, are
/// the host's time.
fn warm(fleet: &Path, args: &[&str]) -> Cost {
    tenantry(fleet, &["check"]);
    tenantry(fleet, args)
}

/// What a process took.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
    /// Of it, what is not the system's.
    user: Duration,
    /// Bytes.
    peak: u64,
}

fn run(command: &mut Command) -> Cost {
    run_into(command, Stdio::null())
}

fn run_into(command: &mut Command, out: Stdio) -> Cost {
    let started = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out)
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut said = String::new();
    let _ = std::io::Read::read_to_string(&mut child.stderr.take().expect("a pipe"), &mut said);
    let end = child.wait4().expect("ends");
    assert!(end.status.success(), "{command:?}: {said}");
    let (user, system) = (end.rusage.utime, end.rusage.stime);
    Cost {
        wall: started.elapsed(),
        cpu: user + system,
        user,
        peak: end.rusage.maxrss,
    }
}

fn tenantry(folder: &Path, args: &[&str]) -> Cost {
    let mut command = Command::new(PROGRAM);
    for (key, _) in
        std::env::vars_os().filter(|(k, _)| k.to_string_lossy().starts_with("TENANTRY_"))
    {
        command.env_remove(key);
    }
    run(command.current_dir(folder).args(args).args(NOW))
}

/// What is measured, what a bare program takes for the disk's part of it, and the bound by that.
struct Row {
    name: &'static str,
    bound: fn(f64) -> f64,
    bare: Vec<Duration>,
    costs: Vec<Cost>,
}

impl Row {
    fn new(name: &'static str, bound: fn(f64) -> f64) -> Self {
        Self {
            name,
            bound,
            bare: Vec::new(),
            costs: Vec::new(),
        }
    }

    fn add(&mut self, bare: Duration, cost: Cost) {
        self.bare.push(bare);
        self.costs.push(cost);
    }
}

/// Runs this program's bare twin of a command; it times its own work, since it first loads what it
/// is to write.
fn bare_run(args: &[&Path], what: &str) -> Duration {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    let output = command
        .arg("bare")
        .arg(what)
        .args(args)
        .output()
        .expect("starts");
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let micros: u64 = String::from_utf8_lossy(&output.stdout)
        .trim()
        .parse()
        .expect("a number");
    Duration::from_micros(micros)
}

fn read_tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    read_each(folder, |path| fs::read(path).expect("a file"))
}

fn read_each(folder: &Path, read: fn(&Path) -> Vec<u8>) -> BTreeMap<PathBuf, Vec<u8>> {
    let walk = walkdir::WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter();
    walk.map(|e| e.expect("an entry"))
        .filter(|e| e.file_type().is_file())
        .map(|e| {
            (
                e.path().strip_prefix(folder).expect("below").to_owned(),
                read(e.path()),
            )
        })
        .collect()
}

fn read_heads(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    read_each(folder, |path| {
        let mut bytes = Vec::with_capacity(HEAD);
        let file = fs::File::open(path).expect("a file");
        std::io::Read::read_to_end(&mut std::io::Read::take(file, HEAD as u64), &mut bytes)
            .expect("a file");
        bytes
    })
}

/// The bare programs: one thread, no more than `std` gives.
fn bare(work: &[&str]) {
    let started;
    match work {
        ["read", fleet] => {
            started = Instant::now();
            assert!(!read_tree(&Path::new(fleet).join("tenants")).is_empty());
        }
        // What `check` reads besides: of the tree's files the heads, with the records.
        ["heads", fleet] => {
            started = Instant::now();
            assert!(!read_heads(&Path::new(fleet).join("rendered")).is_empty());
        }
        ["write", fleet, from, to] => {
            let wanted = read_tree(Path::new(from));
            started = Instant::now();
            assert!(!read_tree(&Path::new(fleet).join("tenants")).is_empty());
            for (path, bytes) in &wanted {
                let path = Path::new(to).join(path);
                fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
                fs::write(path, bytes).expect("a file");
            }
        }
        ["compare", fleet, tree] => {
            let wanted = read_tree(Path::new(tree));
            started = Instant::now();
            assert!(!read_tree(&Path::new(fleet).join("tenants")).is_empty());
            assert!(read_tree(Path::new(tree)) == wanted);
        }
        _ => panic!("unknown: {work:?}"),
    }
    println!("{}", started.elapsed().as_micros());
}

struct Bench {
    tenants: usize,
    rounds: usize,
    /// Everything this run writes; deleted at its end, and not between, since deleting makes the
    /// next writes slow.
    folder: PathBuf,
}

impl Bench {
    fn new(tenants: usize, rounds: usize) -> Self {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("fleet-{}", std::process::id()));
        Self {
            tenants,
            rounds,
            folder,
        }
    }

    fn clean_up(&self) {
        fs::remove_dir_all(&self.folder).expect("a folder that was written");
    }

    /// Check, with a tree and without; render, from nothing and with nothing changed.
    fn fleet(&self) {
        let fleet = self.folder.join("repository");
        generate::write(&fleet, self.tenants).expect("a fleet is written");
        // A repository of its own.
        fs::create_dir(fleet.join(".git")).expect("a folder");
        tenantry(&fleet, &["render"]);
        let tree = fleet.join("rendered");
        let files = read_tree(&tree);
        let bytes: usize = files.values().map(Vec::len).sum();
        let objects: usize = files
            .values()
            .map(|b| b.windows(4).filter(|w| w == b"---\n").count())
            .sum();
        println!(
            "{} tenants, {objects} objects in {} files, {} MB; {} rounds: the least, and the median in brackets\n",
            self.tenants,
            files.len(),
            bytes / 1_000_000,
            self.rounds
        );
        drop(files);
        let mut rows = [
            Row::new("check", |bare| 10.0 * bare),
            Row::new("check, no tree yet", |bare| 10.0 * bare),
            Row::new("render from nothing", |bare| 1.5 * bare + 0.6),
            Row::new("render, nothing changed", |bare| 3.0 * bare),
        ];
        let unrendered = self.folder.join("unrendered");
        generate::write(&unrendered, self.tenants).expect("a fleet is written");
        fs::create_dir(unrendered.join(".git")).expect("a folder");
        let mut heads = Vec::new();
        for round in 0..self.rounds {
            let fresh = |name: &str| self.folder.join(format!("{name}-{round}"));
            let there = fresh("tree").join("rendered");
            let there = there.to_str().expect("UTF-8");

            let read = bare_run(&[&fleet], "read");
            rows[0].add(read, warm(&fleet, &["check"]));
            heads.push(bare_run(&[&fleet], "heads"));
            let specs = bare_run(&[&unrendered], "read");
            rows[1].add(specs, warm(&unrendered, &["check"]));

            let write = bare_run(&[&fleet, &tree, &fresh("bare")], "write");
            rows[2].add(write, warm(&fleet, &["render", "--tree", there]));
            let compare = bare_run(&[&fleet, &tree], "compare");
            rows[3].add(compare, warm(&fleet, &["render"]));
        }

        print_table(&rows);
        println!(
            "\nA bare read of the specs is the bare program of `check`; one of the records takes {} s more.",
            show(spread(heads))
        );
    }

    /// What others take for the same objects: prepared, and named, by benches/peers.sh.
    fn peers(&self) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/peers.sh");
        let mut prepare = Command::new("bash");
        let prepared = prepare
            .arg(script)
            .arg(self.tenants.to_string())
            .arg(self.folder.join("peers"))
            .output();
        let prepared = prepared.expect("bash starts");
        assert!(
            prepared.status.success(),
            "{}",
            String::from_utf8_lossy(&prepared.stderr)
        );
        for line in String::from_utf8_lossy(&prepared.stdout).lines() {
            let (name, command) = line.split_once('\t').expect("a name and a command");
            let mut words = command.split(' ');
            let program = words.next().expect("a program");
            // Once each: kustomize takes minutes.
            let objects = self.folder.join("objects.yaml");
            let out = fs::File::create(&objects).expect("a file");
            let cost = run_into(Command::new(program).args(words), out.into());
            let text = fs::read(&objects).expect("a file");
            let objects = text
                .split(|b| *b == b'\n')
                .filter(|l| l.starts_with(b"kind: "))
                .count();
            let (wall, cpu) = (cost.wall.as_secs_f64(), cost.cpu.as_secs_f64());
            println!(
                "| {name}, {objects} objects | {wall:.1} | {cpu:.1} | {} | | | |",
                cost.peak / 1_000_000
            );
        }
    }
}

fn print_table(rows: &[Row]) {
    println!("| | wall s | CPU s | peak MB | bare s | ratio | bound |");
    println!("|---|---|---|---|---|---|---|");
    for row in rows {
        let wall = spread(row.costs.iter().map(|cost| cost.wall).collect());
        let cpu = spread(row.costs.iter().map(|cost| cost.cpu).collect());
        let peak = row.costs.iter().map(|cost| cost.peak).max();
        let bare = spread(row.bare.clone());
        let least = bare.0.as_secs_f64();
        println!(
            "| {} | {} | {} | {} | {} | {:.1} | {:.2} s |",
            row.name,
            show(wall),
            show(cpu),
            peak.unwrap_or_default() / 1_000_000,
            show(bare),
            wall.0.as_secs_f64() / least,
            (row.bound)(least)
        );
    }
}

/// The least and the median.
fn spread(mut all: Vec<Duration>) -> (Duration, Duration) {
    all.sort();
    (all[0], all[all.len() / 2])
}

fn show((least, median): (Duration, Duration)) -> String {
    format!("{:.2} ({:.2})", least.as_secs_f64(), median.as_secs_f64())
}

/// CPU of `check` and of `render --stdout` from 1,000 to 100,000 tenants: disks are too noisy for
/// it.
fn growth(folder: &Path) {
    println!(
        "\n| tenants | check, CPU ms a thousand (user's) | render --stdout, CPU ms a thousand (user's) | peak MB |\n|---|---|---|---|"
    );
    for count in [1_000, 10_000, 100_000] {
        let fleet = folder.join(format!("growth-{count}"));
        generate::write(&fleet, count).expect("a fleet is written");
        let least = |args: &[&str]| {
            let costs = [
                tenantry(&fleet, args),
                tenantry(&fleet, args),
                tenantry(&fleet, args),
            ];
            let least = |of: fn(&Cost) -> Duration| costs.iter().map(of).min().unwrap_or_default();
            ((least(|c| c.cpu), least(|c| c.user)), costs[0].peak)
        };
        let (check, _) = least(&["check"]);
        let (stdout, peak) = least(&["render", "--stdout"]);
        let each = |cpu: Duration| cpu.as_secs_f64() * 1e6 / count as f64;
        let both =
            |(cpu, user): (Duration, Duration)| format!("{:.1} ({:.1})", each(cpu), each(user));
        println!(
            "| {count} | {} | {} | {} |",
            both(check),
            both(stdout),
            peak / 1_000_000
        );
    }
}
