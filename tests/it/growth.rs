//! Time and memory per byte: families of input that a tenant can make as large as it likes. Four times
//! the input may cost at most 4^1.2 times as much, in user time beyond that of an empty fleet, and no
//! more than half a gigabyte.

use crate::support::{FLEET, Sandbox, tenant};
use std::process::{Command, Stdio};
use wait4::Wait4;

/// The files of an input, by path.
type Files = Vec<(String, String)>;

/// A family of inputs.
struct Family {
    name: &'static str,
    /// The input of a size: the larger is four.
    files: fn(usize) -> Files,
}

/// The largest power of the input's size with which the cost may grow.
const POWER: f64 = 1.2;
/// The most memory, in bytes.
const MEMORY: u64 = 500 << 20;
/// Costs below this are not told from noise, in seconds.
const NOISE: f64 = 0.25;

fn list(count: usize, item: impl Fn(usize) -> String) -> String {
    let items: Vec<String> = (0..count).map(item).collect();
    items.join(", ")
}

/// A tenant of 256 namespaces.
fn wide(more: &str) -> Files {
    let namespaces = list(256, |at| format!("{{name: evil{at}}}"));
    let own = tenant("evil", more).replace("[{name: evil}]", &format!("[{namespaces}]"));
    vec![("tenants/evil.yaml".to_owned(), own)]
}

fn each(count: usize, text: impl Fn(usize) -> String) -> Files {
    let file = |at| (format!("tenants/t{at:05}.yaml"), text(at));
    (0..count).map(file).collect()
}

/// A tenant with metadata of its own.
fn with_metadata(metadata: &str) -> Files {
    let text =
        tenant("evil", "").replacen("{name: evil}", &format!("{{name: evil, {metadata}}}"), 1);
    vec![("tenants/evil.yaml".to_owned(), text)]
}

static FAMILIES: [Family; 17] = [
    Family {
        name: "members with bindings of their own",
        files: |size| {
            let member = |at| format!("{{user: u{at}, role: viewer, binding: b{at}}}");
            wide(&format!("  members: [{}]\n", list(60 * size, member)))
        },
    },
    Family {
        name: "unknown peers of one tenant among many",
        files: |size| {
            let peers = list(15 * size, |at| format!("{{tenant: x{at:04}}}"));
            let mut files = wide(&format!("  network: {{egress: [{peers}]}}\n"));
            files.extend(each(500 * size, |at| tenant(&format!("t{at:05}"), "")));
            files
        },
    },
    Family {
        name: "unknown peers of many tenants",
        files: |size| {
            let peer = |at| format!("  network: {{egress: [{{tenant: x{at:05}}}]}}\n");
            each(700 * size, |at| tenant(&format!("t{at:05}"), &peer(at)))
        },
    },
    Family {
        name: "quota keys",
        files: |size| {
            let keys = list(1500 * size, |at| format!("count/r{at}.example.com: 256"));
            wide(&format!("  quota: {{{keys}}}\n"))
        },
    },
    Family {
        name: "malformed quota keys",
        files: |size| {
            let keys = list(12_000 * size, |at| format!("'count/r {at}': 256"));
            wide(&format!("  quota: {{{keys}}}\n"))
        },
    },
    Family {
        name: "malformed label keys",
        files: |size| {
            with_metadata(&format!(
                "labels: {{{}}}",
                list(12_000 * size, |at| format!("'a b{at}': x"))
            ))
        },
    },
    Family {
        name: "labels that are not allowed",
        files: |size| {
            with_metadata(&format!(
                "labels: {{{}}}",
                list(12_000 * size, |at| format!("ab{at}: x"))
            ))
        },
    },
    Family {
        name: "tenants under one wildcard host",
        files: |size| {
            let hosts = "  allow: {ingressHosts: ['*.x.example', a.x.example]}\n";
            each(700 * size, |at| tenant(&format!("w{at:05}"), hosts))
        },
    },
    Family {
        name: "ports of every namespace",
        files: |size| {
            let ports = list(500 * size, |at| format!("{{port: {}}}", at + 1));
            wide(&format!(
                "  network: {{egress: [{{cidr: 192.0.2.0/24, ports: [{ports}]}}]}}\n"
            ))
        },
    },
    Family {
        name: "two halves of an edge with other ports",
        files: |size| {
            let ports = |from: usize| list(500 * size, |at| format!("{{port: {}}}", from + at));
            let ingress = format!(
                "  network: {{ingress: [{{tenant: c, ports: [{}]}}]}}\n",
                ports(1)
            );
            let egress = format!(
                "  network: {{egress: [{{tenant: evil, ports: [{}]}}]}}\n",
                ports(30_000)
            );
            let mut files = wide(&ingress);
            files.push(("tenants/c.yaml".to_owned(), tenant("c", &egress)));
            files
        },
    },
    Family {
        name: "edges from all to all",
        files: |size| {
            // The input grows with the square of the tenants.
            let count = 60 * (size as f64).sqrt() as usize;
            let peers = |own: usize| {
                let others: Vec<usize> = (0..count).filter(|at| *at != own).collect();
                list(others.len(), |at| format!("{{tenant: t{:05}}}", others[at]))
            };
            each(count, |at| {
                let peers = peers(at);
                let more = format!("  network: {{egress: [{peers}], ingress: [{peers}]}}\n");
                tenant(&format!("t{at:05}"), &more)
            })
        },
    },
    Family {
        name: "unknown fields",
        files: |size| {
            let fields: String = (0..10_000 * size)
                .map(|at| format!("  field{at}: 1\n"))
                .collect();
            vec![("tenants/evil.yaml".to_owned(), tenant("evil", &fields))]
        },
    },
    Family {
        name: "duplicate keys",
        files: |size| {
            let fields = "  owners: []\n".repeat(12_000 * size);
            vec![("tenants/evil.yaml".to_owned(), tenant("evil", &fields))]
        },
    },
    Family {
        name: "tiny documents without a kind",
        files: |size| {
            vec![(
                "tenants/evil.yaml".to_owned(),
                "---\na: 1\n".repeat(25_000 * size),
            )]
        },
    },
    Family {
        name: "tiny broken documents",
        files: |size| {
            vec![(
                "tenants/evil.yaml".to_owned(),
                "---\t1\n".repeat(37_000 * size),
            )]
        },
    },
    Family {
        name: "profiles in a chain",
        files: |size| {
            let profile = |at: usize| {
                let parent = match at {
                    0 => "restricted".to_owned(),
                    _ => format!("p{}", at - 1),
                };
                format!(
                    "apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {{name: p{at}}}\n\
                     spec: {{extends: {parent}, defaults: {{quota: {{count/r{at}.example.com: 1}}}}}}\n"
                )
            };
            let profiles: Vec<String> = (0..1500 * size).map(profile).collect();
            vec![("tenants/profiles/p.yaml".to_owned(), profiles.join("---\n"))]
        },
    },
    Family {
        name: "namespaces that a tenant does not have",
        files: |size| {
            let member = |at| {
                let names = list(100 * size, |name| format!("no{name}"));
                format!("{{user: u{at}, role: viewer, namespaces: [{names}]}}")
            };
            wide(&format!("  members: [{}]\n", list(40, member)))
        },
    },
];

/// What a run of `check` takes: seconds of user time, and bytes.
fn cost(files: &Files) -> (f64, u64) {
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/v.yaml", &tenant("v", "")),
    ]);
    for (path, text) in files {
        sandbox.write(path, text);
    }
    let child = Command::new(env!("CARGO_BIN_EXE_tenantry"))
        .arg("check")
        .current_dir(sandbox.path())
        .env("TENANTRY_NO_CACHE", "1")
        .env("RAYON_NUM_THREADS", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("tenantry runs");
    let used = child.wait4().expect("tenantry ends");
    assert!(
        matches!(used.status.code(), Some(0 | 1)),
        "{:?}",
        used.status
    );
    (used.rusage.utime.as_secs_f64(), used.rusage.maxrss)
}

#[test]
fn no_input_costs_more_per_byte_as_it_grows() {
    let (start, _) = cost(&Files::new());
    let mut shown = Vec::new();
    for Family { name, files } in &FAMILIES {
        let inputs = [1, 4].map(files);
        let most = 4_f64.powf(POWER);

        // The time of a process varies; a cost that grows too fast does so each time.
        let mut grows = f64::INFINITY;
        for _ in 0..3 {
            let [(small, _), (large, memory)] = inputs.each_ref().map(cost);
            assert!(memory <= MEMORY, "{name}: {} MiB", memory >> 20);
            grows = grows.min((large - start - NOISE) / (small - start).max(NOISE / most));
            if grows <= most {
                break;
            }
        }
        shown.push(format!("{name}: {grows:.1} of {most:.1}"));
        assert!(
            grows <= most,
            "{name}: {grows:.1} times the cost, at most {most:.1}"
        );
    }
    assert_eq!(shown.len(), FAMILIES.len());
    println!("\n{}", shown.join("\n"));
}

#[test]
fn a_tenant_that_would_render_too_much_is_held() {
    let member = |at| format!("{{user: u{at}, role: viewer, binding: b{at}}}");
    let more = format!("  members: [{}]\n", list(100, member));
    let ports = list(2500, |at| format!("{{port: {}}}", at + 1));
    let network = format!("  network: {{egress: [{{cidr: 192.0.2.0/24, ports: [{ports}]}}]}}\n");

    for (more, is_held) in [(&more, false), (&(more.clone() + &network), true)] {
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            ("tenants/good.yaml", &tenant("good", "")),
        ]);
        for (path, text) in wide(more) {
            sandbox.write(&path, text);
        }
        let ran = sandbox.run(&["check"]);
        let is_reported = ran.out.contains("tenancy/renders-too-much");
        assert_eq!(
            (ran.code, is_reported),
            (i32::from(is_held), is_held),
            "{}",
            ran.out
        );
    }
}

#[test]
fn findings_of_a_rule_in_a_file_are_listed_up_to_a_hundred() {
    let fields: String = (0..150).map(|at| format!("  field{at}: 1\n")).collect();
    let sandbox = Sandbox::with(&[
        ("tenants/fleet.yaml", FLEET),
        ("tenants/evil.yaml", &tenant("evil", &fields)),
    ]);
    let ran = sandbox.run(&["check", "--format", "github"]).code(1);
    assert_eq!(ran.out.matches("::error").count(), 101, "{}", ran.out);
    assert!(
        ran.out.contains("50 more findings of spec/unknown-field"),
        "{}",
        ran.out
    );
}

#[test]
fn a_profile_at_the_end_of_a_long_chain_is_refused() {
    let chain = |count: usize| {
        let profile = |at: usize| {
            let parent = at.checked_sub(1);
            let parent = parent.map_or_else(|| "restricted".to_owned(), |at| format!("p{at}"));
            format!(
                "apiVersion: tenantry.dev/v1alpha1\nkind: Profile\nmetadata: {{name: p{at}}}\n\
                 spec: {{extends: {parent}}}\n"
            )
        };
        let profiles: Vec<String> = (0..count).map(profile).collect();
        let own = format!("  profile: p{}\n", count - 1);
        let sandbox = Sandbox::with(&[
            ("tenants/fleet.yaml", FLEET),
            ("tenants/profiles/p.yaml", &profiles.join("---\n")),
            ("tenants/a.yaml", &tenant("a", &own)),
        ]);
        sandbox.run(&["check"])
    };
    chain(60).code(0);
    let ran = chain(70).code(1);
    assert!(ran.out.contains("tenancy/unknown-profile"), "{}", ran.out);
}
