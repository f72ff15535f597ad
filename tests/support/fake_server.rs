//! A server that answers as an API server with few objects, but for faults that a test makes.

use crate::support::Sandbox;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The list of NetworkPolicies.
pub const POLICIES: &str = "/apis/networking.k8s.io/v1/networkpolicies";

/// How a request is answered.
pub enum Answer {
    /// With a status, further header lines, and a body.
    Says(u16, &'static str, String),
    /// With as much of a body, and then nothing for some seconds.
    Stalls(&'static str, u64),
    /// With less of a body than it promises.
    Cut,
    /// With a body without end.
    Flood,
    /// With bytes that a function writes, until the client closes the connection.
    Writes(fn(&mut TcpStream) -> std::io::Result<()>),
}

/// What a fault makes of the nth request for a path; nothing where it is answered as it should.
pub type Fault = dyn Fn(&str, usize) -> Option<Answer> + Send + Sync;

/// An answer of discovery, with the place of its groups.
pub const SERVED: &str = r#"{"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "items": [GROUPS]}"#;

/// A group of resources, each with its plural, its kind and its scope, as discovery has it.
pub fn group(name: &str, resources: &[(&str, &str, &str)]) -> String {
    let resource = |(plural, kind, scope): &(&str, &str, &str)| {
        format!(
            r#"{{"resource": "{plural}", "responseKind": {{"group": "{name}", "version": "v1", "kind": "{kind}"}}, "scope": "{scope}", "verbs": ["list"]}}"#
        )
    };
    let resources: Vec<String> = resources.iter().map(resource).collect();
    format!(
        r#"{{"metadata": {{"name": "{name}"}}, "versions": [{{"version": "v1", "freshness": "Current", "resources": [{}]}}]}}"#,
        resources.join(",")
    )
}

/// The answer of a healthy server.
pub fn usual(path: &str) -> String {
    match path.split('?').next().unwrap_or_default() {
        "/version" => r#"{"gitVersion": "v1.36.3"}"#.to_owned(),
        "/api" => SERVED.replace(
            "GROUPS",
            &group(
                "",
                &[
                    ("namespaces", "Namespace", "Cluster"),
                    ("serviceaccounts", "ServiceAccount", "Namespaced"),
                ],
            ),
        ),
        "/apis" => {
            let policies = group(
                "networking.k8s.io",
                &[("networkpolicies", "NetworkPolicy", "Namespaced")],
            );
            SERVED.replace("GROUPS", &policies)
        }
        path if path.ends_with("subjectaccessreviews") => {
            r#"{"status": {"allowed": false}}"#.to_owned()
        }
        _ => r#"{"kind": "List", "metadata": {}, "items": []}"#.to_owned(),
    }
}

/// Answers the requests of a connection.
fn serve(mut stream: TcpStream, fault: &Fault, asked: &Mutex<Vec<String>>) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    loop {
        let (mut first, mut length) = (String::new(), 0);
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }

        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 || line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }

        let _ = reader.read_exact(&mut vec![0; length]);
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let nth = {
            let mut asked = asked.lock().expect("not poisoned");
            asked.push(path.clone());
            let bare = |p: &String| p.split('?').next().map(str::to_owned);
            asked.iter().filter(|p| bare(p) == bare(&path)).count()
        };

        let answer = fault(&path, nth).unwrap_or_else(|| Answer::Says(200, "", usual(&path)));
        let written = match answer {
            Answer::Says(status, more, body) => {
                let head = format!(
                    "HTTP/1.1 {status} X\r\n\
                     Content-Type: application/json\r\n\
                     Content-Length: {}\r\n\
                     {more}\r\n",
                    body.len()
                );
                stream.write_all(format!("{head}{body}").as_bytes())
            }
            Answer::Stalls(body, seconds) => {
                let _ = stream
                    .write_all(b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n");
                let _ = stream.write_all(body.as_bytes());
                std::thread::sleep(Duration::from_secs(seconds));
                return;
            }
            Answer::Flood => {
                let _ = stream.write_all(
                    b"HTTP/1.1 200 X\r\nContent-Length: 99999999999\r\n\r\n{\"kind\": \"",
                );
                let many = vec![b'x'; 1 << 20];
                while stream.write_all(&many).is_ok() {}
                return;
            }
            Answer::Writes(write) => {
                let _ = write(&mut stream);
                return;
            }
            Answer::Cut => {
                let _ = stream.write_all(b"HTTP/1.1 200 X\r\nContent-Length: 999\r\n\r\n{\"kind\"");
                return;
            }
        };

        if written.is_err() {
            return;
        }
    }
}

/// A server that runs until the test ends.
pub struct FakeServer {
    /// Its address.
    pub url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl FakeServer {
    /// Starts a server with a fault.
    pub fn start(fault: impl Fn(&str, usize) -> Option<Answer> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let fault: Arc<Fault> = Arc::new(fault);

        let seen = Arc::clone(&asked);
        std::thread::spawn(move || {
            for stream in listener.incoming().filter_map(Result::ok) {
                let (fault, asked) = (Arc::clone(&fault), Arc::clone(&seen));
                std::thread::spawn(move || serve(stream, fault.as_ref(), &asked));
            }
        });
        Self { url, asked }
    }

    /// The paths that were asked for so far.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

/// A fleet of one tenant, with a kubeconfig for a server. `user` is the user's entry.
pub fn small_fleet(url: &str, user: &str) -> Sandbox {
    let fleet = "apiVersion: tenantry.dev/v1alpha1\n\
                 kind: Fleet\n\
                 metadata: {name: acme}\n\
                 spec: {clusters: [{name: live}]}\n";
    let tenant = "apiVersion: tenantry.dev/v1alpha1\nkind: Tenant\nmetadata: {name: blue}\n\
                  spec: {owners: [{group: blue-admins}], namespaces: [{name: blue}]}\n";
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", fleet), ("tenants/blue.yaml", tenant)]);
    sandbox.write(
        "kubeconfig",
        format!(
            "{{apiVersion: v1, kind: Config, current-context: a, contexts: [{{name: a, context: {{cluster: a, user: a}}}}], \
             clusters: [{{name: a, cluster: {{server: \"{url}\"}}}}], users: [{{name: a, user: {user}}}]}}"
        ),
    );
    sandbox
}
