//! How `verify` connects to a cluster: contexts and credentials of a kubeconfig, a pod's own account,
//! a proxy.

use crate::support::flux_loop::FluxLoop;
use crate::support::live_fleet::{FLEET, fleet, ok};
use crate::support::{Ran, Sandbox, say};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};

/// `verify` without a kubeconfig.
fn verify(repo: &Sandbox) -> Command {
    let mut command = repo.command(&["verify"]);
    for name in [
        "KUBECONFIG",
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
    ] {
        command.env_remove(name);
    }
    command.env("HOME", "/nonexistent");
    command
}

fn ran(command: &mut Command) -> Ran {
    Ran::of(command.output().expect("the program starts"))
}

/// An entry of a credential plugin, and a kubeconfig that has it.
fn with_plugin(flux: &FluxLoop) -> (&'static str, String) {
    let plugin = r#"exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: sh, args: [-c, "echo '{\"apiVersion\": \"client.authentication.k8s.io/v1\", \"kind\": \"ExecCredential\", \"status\": {\"token\": \"admin\"}}'"]}"#;
    let kubeconfig = flux.plane.kubeconfig_of("admin");
    (plugin, kubeconfig.replace("token: admin", plugin))
}

/// Runs the program with the file `exec.kubeconfig` of a repository.
fn with_kubeconfig(repo: &Sandbox, args: &[&str]) -> Ran {
    let kubeconfig = repo.path().join("exec.kubeconfig");
    ran(repo.command(args).env("KUBECONFIG", kubeconfig))
}

#[test]
fn credentials_are_those_of_the_kubeconfig() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let (plugin, kubeconfig) = with_plugin(&flux);
    repo.write("exec.kubeconfig", &kubeconfig);
    let run = |args: &[&str]| with_kubeconfig(&repo, args);
    ok(&run(&["verify"]));

    // A client's certificate; a token in a file, with a line's end; the files of KUBECONFIG, one of
    // which is not there.
    let certificate = flux
        .plane
        .kubeconfig_of("admin")
        .replace("token: admin", &flux.plane.certificate());

    repo.write("exec.kubeconfig", &certificate);
    ok(&run(&["verify"]));
    repo.write("token", "admin\n");
    let file = format!("tokenFile: {}", repo.path().join("token").display());
    repo.write(
        "exec.kubeconfig",
        flux.plane
            .kubeconfig_of("admin")
            .replace("token: admin", &file),
    );

    let mut several = repo.command(&["verify"]);
    let list = format!("/nowhere:{}", repo.path().join("exec.kubeconfig").display());
    ok(&Ran::of(
        several
            .env("KUBECONFIG", list)
            .output()
            .expect("the program starts"),
    ));

    // What a plugin prints is a credential, and so is its command line.
    let leaks = plugin.replace("echo", "echo SECRET; exit 3; echo").replace(
        "sh, args",
        "sh, env: [{name: PASSWORD, value: SECRET}], args",
    );

    repo.write(
        "exec.kubeconfig",
        flux.plane
            .kubeconfig_of("admin")
            .replace("token: admin", &leaks),
    );

    let leaked = run(&["verify"]);
    assert!(
        leaked.code == 2 && leaked.err.contains("credential plugin ended"),
        "{}",
        leaked.all()
    );

    assert!(!leaked.all().contains("SECRET"), "{}", leaked.all());
}

#[test]
fn contexts_are_those_of_the_kubeconfig() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let (_, kubeconfig) = with_plugin(&flux);
    let run = |args: &[&str]| with_kubeconfig(&repo, args);
    let ran = repo.path().join("ran");
    let counted = kubeconfig.replace("\"echo ", &format!("\"echo >> {}; echo ", ran.display()));
    repo.write("exec.kubeconfig", &counted);
    ok(&run(&["verify"]));
    let times = || fs::read_to_string(&ran).expect("the plugin was run").len();
    let before = times();
    repo.write(
        "tenants/fleet.yaml",
        FLEET.replace("clusters: [", "clusters: [{name: other}, "),
    );

    for args in [&["verify"][..], &["verify", "--context", "a"]] {
        let unsaid = run(args);
        assert!(
            unsaid.code == 2 && unsaid.err.contains("CLUSTER=CONTEXT (other, live)"),
            "{}",
            unsaid.all()
        );
    }

    // Nobody's credentials are asked for before it is known which.
    assert_eq!(times(), before);
    repo.write("exec.kubeconfig", &kubeconfig);
    let both = run(&[
        "verify",
        "--context",
        "live=a",
        "--context",
        "other=a",
        "--format",
        "json",
    ]);

    let report: Value =
        serde_json::from_str(&both.out).unwrap_or_else(|e| panic!("{e}: {}", both.all()));
    let names: Vec<&str> = report["clusters"]
        .as_array()
        .expect("clusters")
        .iter()
        .filter_map(|c| c["name"].as_str())
        .collect();

    assert_eq!(names, ["live", "other"]);
    assert_eq!(report["clusters"][1]["converged"], false);
    let one = run(&[
        "verify",
        "--context",
        "live=a",
        "--context",
        "other=a",
        "--snapshot",
        "live.json",
    ]);

    assert!(
        one.code == 2 && one.err.contains("it holds one cluster"),
        "{}",
        one.all()
    );

    let empty = run(&["verify", "--context", "live="]);
    assert!(
        empty.code == 2 && empty.err.contains("the context is empty"),
        "{}",
        empty.all()
    );

    let gone = run(&["verify", "--context", "live=nowhere"]);
    assert!(
        gone.code == 2 && gone.err.contains("the context `nowhere`"),
        "{}",
        gone.all()
    );
}

#[test]
fn in_a_pod_the_cluster_is_the_pods_own() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let nowhere = ran(&mut verify(&repo));
    assert!(
        nowhere.code == 2 && nowhere.err.contains("does not run in a cluster"),
        "{}",
        nowhere.all()
    );

    // The paths of a pod's files are fixed: a namespace of mounts has them for itself.
    let satisfiable = Command::new("unshare")
        .args(["--map-root-user", "--mount", "true"])
        .output();
    if !satisfiable.as_ref().is_ok_and(|o| o.status.success()) {
        assert!(
            std::env::var_os("CI").is_none(),
            "a namespace of mounts: {satisfiable:?}"
        );
        return say("NOT RUN, for want of a namespace of mounts: a pod's credentials");
    }

    let port = flux
        .plane
        .url
        .rsplit(':')
        .next()
        .expect("a port")
        .to_owned();

    let authority = flux.plane.dir.join("certs/apiserver.crt");
    let pod = |token: &str, authority: &str| {
        let script = "mount -t tmpfs none /var/run && d=/var/run/secrets/kubernetes.io/serviceaccount && mkdir -p $d && \
                      cp \"$1\" $d/ca.crt && printf %s \"$2\" > $d/token && printf default > $d/namespace && shift 2 && exec \"$@\"";
        let inner = verify(&repo);
        let mut outer = Command::new("unshare");
        outer.args([
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
            authority,
            token,
        ]);

        outer
            .arg(inner.get_program())
            .args(inner.get_args())
            .current_dir(repo.path());

        for (name, value) in inner.get_envs() {
            match value {
                Some(value) => outer.env(name, value),
                None => outer.env_remove(name),
            };
        }

        ran(outer
            .env("KUBERNETES_SERVICE_HOST", "127.0.0.1")
            .env("KUBERNETES_SERVICE_PORT", &port))
    };

    let authority = authority.to_str().expect("UTF-8");
    ok(&pod("admin", authority));
    let refused = pod("nobody-knows", authority);
    assert!(
        refused.code == 2 && !refused.all().contains("nobody-knows"),
        "{}",
        refused.all()
    );

    // A server that another authority vouches for is none.
    let other = flux.plane.dir.join("client-ca.crt");
    let strange = pod("admin", other.to_str().expect("UTF-8"));
    assert!(
        strange.code == 2 && strange.err.contains("certificate"),
        "{}",
        strange.all()
    );
}

/// A proxy that leads wherever it is asked to a port of this machine, and tells what it was asked.
fn proxy(to: u16) -> (u16, Receiver<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    let (asked, all) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let asked = asked.clone();
            std::thread::spawn(move || -> std::io::Result<()> {
                let mut reader = BufReader::new(stream.try_clone()?);
                let mut head = Vec::new();
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line)?;
                    if line.trim().is_empty() {
                        break;
                    }
                    head.push(line.trim().to_owned());
                }
                let _ = asked.send(head);
                let mut there = TcpStream::connect(("127.0.0.1", to))?;
                let mut here = stream;
                here.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n")?;
                let (mut back, mut out) = (there.try_clone()?, here.try_clone()?);
                std::thread::spawn(move || std::io::copy(&mut back, &mut out));
                there.write_all(reader.buffer())?;
                let mut bytes = [0; 16 << 10];
                loop {
                    match here.read(&mut bytes)? {
                        0 => return there.shutdown(std::net::Shutdown::Write),
                        count => there.write_all(&bytes[..count])?,
                    }
                }
            });
        }
    });

    (port, all)
}

#[test]
fn proxies_are_chosen_as_kubectl_chooses_them() {
    let Some(flux) = FluxLoop::get() else { return };
    let repo = fleet(&flux);
    let port: u16 = flux
        .plane
        .url
        .rsplit(':')
        .next()
        .and_then(|p| p.parse().ok())
        .expect("a port");

    let (at, asked) = proxy(port);
    let asked = || asked.try_iter().collect::<Vec<_>>();
    let here = flux.plane.kubeconfig_of("admin");
    // A name that nobody but the proxy knows.
    let far = here.replace(&flux.plane.url, &format!("https://plane.invalid:{port}"));
    assert_ne!(here, far);
    let named = |url: &str| {
        far.replace(
            "insecure-skip-tls-verify: true",
            &format!("insecure-skip-tls-verify: true, proxy-url: \"{url}\""),
        )
    };

    let run = |kubeconfig: &str, environment: &[(&str, String)]| {
        repo.write("way.kubeconfig", kubeconfig);
        let mut command = verify(&repo);
        command.env("KUBECONFIG", repo.path().join("way.kubeconfig"));
        ran(command.envs(environment.iter().map(|(name, value)| (*name, value))))
    };

    let address = format!("http://127.0.0.1:{at}");
    let without = run(&far, &[]);
    assert!(without.code == 2 && asked().is_empty(), "{}", without.all());
    let first = |heads: Vec<Vec<String>>| {
        heads
            .into_iter()
            .next()
            .map(|head| head.join("\n"))
            .unwrap_or_default()
    };

    for environment in [
        ("HTTPS_PROXY", address.clone()),
        ("https_proxy", address.clone()),
        ("HTTPS_PROXY", format!("127.0.0.1:{at}")),
    ] {
        ok(&run(&far, &[environment]));
        assert!(first(asked()).starts_with(&format!("CONNECT plane.invalid:{port} ")));
    }

    ok(&run(&named(&address), &[]));
    assert!(!asked().is_empty());
    // Its own comes before the environment's, and before NO_PROXY.
    let nobody = "http://127.0.0.1:9".to_owned();
    ok(&run(
        &named(&address),
        &[("HTTPS_PROXY", nobody.clone()), ("NO_PROXY", "*".into())],
    ));

    assert!(!asked().is_empty());
    // With a name and a password, which no message shows.
    ok(&run(
        &far,
        &[("HTTPS_PROXY", format!("http://me:se%40cret@127.0.0.1:{at}"))],
    ));

    assert!(
        first(asked())
            .to_lowercase()
            .contains("proxy-authorization: basic"),
        "credentials"
    );

    let refused = run(
        &far,
        &[("HTTPS_PROXY", "http://me:secret@127.0.0.1:9".into())],
    );

    assert!(
        refused.code == 2 && !refused.all().contains("secret"),
        "{}",
        refused.all()
    );

    // NO_PROXY is about the cluster, not about the proxy.
    ok(&run(
        &far,
        &[
            ("HTTPS_PROXY", address.clone()),
            ("NO_PROXY", "127.0.0.1,other.invalid".into()),
        ],
    ));

    assert!(!asked().is_empty());
    let direct = run(
        &far,
        &[
            ("HTTPS_PROXY", address.clone()),
            ("NO_PROXY", "10.0.0.0/8,.invalid".into()),
        ],
    );

    assert!(direct.code == 2 && asked().is_empty(), "{}", direct.all());
    // This machine needs none.
    ok(&run(&here, &[("HTTPS_PROXY", nobody)]));
    let broken = run(&far, &[("HTTPS_PROXY", "http://[".into())]);

    assert!(
        broken.code == 2 && broken.err.contains("proxy"),
        "{}",
        broken.all()
    );
}

/// The things of an inventory belong to no cluster: the report of one cluster of several may not hold
/// them.
#[test]
fn an_inventory_needs_a_single_cluster() {
    let fleet = crate::support::FLEET.to_owned() + "    - name: other\n";
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", &fleet)]);
    let clusters = ["verify", "--context", "prod=a", "--context", "other=b"];
    let list = ["--inventory", "list.yaml"];

    let ran = sandbox.run(&[&clusters[..], &list].concat()).code(2);
    let why = "--inventory: its things belong to no cluster";
    assert!(ran.err.contains(why), "{}", ran.all());
}
