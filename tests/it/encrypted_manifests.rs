//! Verbatim Secrets that SOPS encrypted: a key of the tenant alone decrypts them, in a unit of its own.

use crate::support::flux_loop::FluxLoop;
use crate::support::live_fleet::{self, ok};
use crate::support::{Ran, Sandbox, root};

const FLEET: &str = "apiVersion: tenantry.dev/v1alpha1
kind: Fleet
metadata: {name: acme}
spec:
  clusters: [{name: live, kubernetes: \"1.36\", podCIDRs: [10.0.0.0/16]}]
  delivery: {manifests: own, unit: shard, shards: 1, entry: \"clusters/{{ cluster }}/tenantry.yaml\"}
";

/// A file of `fixtures/sops`.
fn fixture(name: &str) -> String {
    let path = root().join("fixtures/sops").join(name);
    std::fs::read_to_string(path).expect("a fixture")
}

fn tenant(name: &str, more: &str) -> String {
    live_fleet::tenant(name).replace(
        "spec: {",
        &format!("spec: {{manifests: [{name}-m.yaml], {more}"),
    )
}

fn key_of(name: &str) -> String {
    format!("decryption: {{secretRef: {name}.sops}}, ")
}

/// `iris` and `jade`, each with a key and a file of its own.
fn fleet() -> Sandbox {
    let sandbox = Sandbox::with(&[("tenants/fleet.yaml", FLEET)]);
    for name in ["iris", "jade"] {
        sandbox.write(&format!("tenants/{name}.yaml"), tenant(name, &key_of(name)));
        sandbox.write(
            &format!("tenants/{name}-m.yaml"),
            fixture(&format!("{name}.yaml")),
        );
    }
    sandbox
}

/// The lines of a text report that begin an error, each with the line of its place.
fn errors(ran: &Ran) -> Vec<String> {
    let all = ran.all();
    let mut found = Vec::new();
    let mut lines = all.lines().peekable();
    while let Some(line) = lines.next() {
        if line.trim_start().starts_with("error[") {
            let place = lines
                .clone()
                .find(|line| line.trim_start().starts_with("at ") || line.contains("─["));
            found.push(format!(
                "{} {}",
                line.trim(),
                place.unwrap_or_default().trim()
            ));
        }
    }
    found
}

#[test]
fn a_key_is_in_the_unit_of_its_tenant_alone() {
    let sandbox = fleet();
    sandbox.run(&["render"]).code(0);
    for name in ["iris", "jade"] {
        let applier = sandbox.read(&format!("rendered/live/entry/manifests-{name}.yaml"));
        let decryption =
            format!("  decryption:\n    provider: sops\n    secretRef:\n      name: {name}.sops\n");
        assert!(applier.contains(&decryption), "{applier}");
        let file = sandbox.read(&format!("rendered/live/manifests/{name}/{name}.yaml"));
        assert!(file.contains(&fixture(&format!("{name}.yaml"))), "{file}");
    }
    for floor in ["tenants-shard-00", "tenantry-platform"] {
        let applier = sandbox.read(&format!("rendered/live/entry/{floor}.yaml"));
        assert!(!applier.contains("decryption"), "{applier}");
    }

    sandbox.run(&["render", "--check"]).code(0);

    // A tenant that is held keeps its key, and stops no other tenant.
    let broken = tenant("iris", &key_of("iris")).replace("owners", "ownerz");
    sandbox.write("tenants/iris.yaml", broken);
    let config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: more, namespace: jade}\n";
    let both = format!("{}---\n{config}", fixture("jade.yaml"));
    sandbox.write("tenants/jade-m.yaml", both);
    let all = sandbox.run(&["render"]).code(1).all();
    assert!(all.contains("held: iris"), "{all}");
    assert!(!all.contains("nothing was written"), "{all}");
    let file = sandbox.read("rendered/live/manifests/jade/jade.yaml");
    assert!(file.contains(config), "{file}");
    let applier = sandbox.read("rendered/live/entry/manifests-iris.yaml");
    assert!(applier.contains("name: iris.sops\n"), "{applier}");
}

#[test]
fn encrypted_values_of_an_immutable_secret_are_not_compared() {
    let sandbox = fleet();
    let sealed = fixture("iris.yaml")
        .replace("kind: Secret", "kind: Secret\nimmutable: true")
        .replace("stringData:\n", "data:\n");
    sandbox.write("tenants/iris-m.yaml", &sealed);
    sandbox.run(&["render"]).code(0);
    let again = sealed.replace(
        "    password: ENC[AES256_GCM,data:",
        "    password: ENC[AES256_GCM,data:A",
    );
    assert_ne!(again, sealed);
    sandbox.write("tenants/iris-m.yaml", again);
    sandbox.run(&["check"]).code(0);

    let more = sealed.replace(
        "\ndata:\n",
        "\ndata:\n    more: ENC[AES256_GCM,data:A,type:str]\n",
    );
    assert_ne!(more, sealed);
    sandbox.write("tenants/iris-m.yaml", more);
    let all = sandbox.run(&["check"]).code(1).all();
    assert!(all.contains("is immutable"), "{all}");
}

#[test]
fn an_encrypted_file_without_a_key_of_the_tenant_is_refused() {
    let text = fixture("iris.yaml");
    let sops = text
        .lines()
        .position(|line| line == "sops:")
        .expect("a line")
        + 1;
    let plain = "apiVersion: v1\nkind: Secret\nmetadata: {name: db, namespace: iris}\ndata:\n  ";
    let annotated = text.replace(
        "    namespace: iris\n",
        "    namespace: iris\n    annotations: {kustomize.toolkit.fluxcd.io/decrypt: disabled}\n",
    );
    let mac = text
        .lines()
        .find(|line| line.contains("mac:"))
        .expect("a mac");
    let cases = [
        ("no key", tenant("iris", ""), text.clone(), sops),
        (
            "no Secret",
            tenant("iris", &key_of("iris")),
            text.replace("kind: Secret", "kind: ConfigMap"),
            sops,
        ),
        (
            "no mac",
            tenant("iris", &key_of("iris")),
            text.replace(mac, "    mac: \"\""),
            sops,
        ),
        (
            "no recipient",
            tenant("iris", &key_of("iris")),
            text.replace("    age:", "    agee:"),
            sops,
        ),
        ("disabled", tenant("iris", &key_of("iris")), annotated, 6),
        (
            "more than values",
            tenant("iris", &key_of("iris")),
            text.replace("Opaque", "\"ENC[AES256_GCM,data:a]\""),
            6,
        ),
        // `mac: ENC[`
        (
            "a file in a value",
            tenant("iris", &key_of("iris")),
            format!("{plain}a: bWFjOiBFTkNb\n"),
            5,
        ),
    ];
    for (what, spec, file, line) in cases {
        let sandbox = fleet();
        sandbox.write("tenants/iris.yaml", spec);
        sandbox.write("tenants/iris-m.yaml", file);
        let ran = sandbox.run(&["check"]).code(1);
        let found = errors(&ran);
        let place = format!("tenants/iris-m.yaml:{line}:");
        assert!(
            matches!(found.as_slice(), [one] if one.contains("bundle/manifest-refused") && one.contains(&place)),
            "{what}: {}",
            ran.all()
        );
        assert!(!ran.all().contains("ENC[AES"), "{what}: {}", ran.all());
    }

    let sandbox = fleet();
    sandbox.write(
        "tenants/fleet.yaml",
        FLEET.replace("manifests: own", "manifests: shared"),
    );
    let ran = sandbox.run(&["check"]).code(1);
    assert_eq!(errors(&ran).len(), 2, "{}", ran.all());
    assert!(
        ran.all().contains("delivery.manifests: own"),
        "{}",
        ran.all()
    );

    let sandbox = fleet();
    sandbox.write("tenants/iris.yaml", tenant("iris", &key_of("jade")));
    let ran = sandbox.run(&["check"]).code(1);
    let found = errors(&ran);
    assert!(
        matches!(found.as_slice(), [one] if one.contains("gitops/manifests-key") && one.contains("tenants/iris.yaml:")),
        "{}",
        ran.all()
    );
}

/// Runs `check` with a file of `jade`, before and after a first render. Returns the errors of both.
fn with_file(file: &str, fleet_more: &str) -> [Vec<String>; 2] {
    let fleet_file = format!("{FLEET}{fleet_more}");
    let sandbox = fleet();
    sandbox.write("tenants/fleet.yaml", &fleet_file);
    sandbox.write("tenants/jade-m.yaml", file);
    let without_lock = errors(&sandbox.run(&["check"]));

    let sandbox = fleet();
    sandbox.write("tenants/fleet.yaml", &fleet_file);
    sandbox.run(&["render"]).code(0);
    sandbox.write("tenants/jade-m.yaml", file);
    [without_lock, errors(&sandbox.run(&["check"]))]
}

#[test]
fn a_key_that_opens_a_neighbours_file_is_refused() {
    let of_jade = |text: String| text.replace("namespace: iris", "namespace: jade");
    let copied = of_jade(fixture("iris.yaml"));
    // The same key, and another data key.
    let shared = copied.replace("YWdlLWVuY3J5", "YWdlLWVuY3J6");
    // A data key that was copied, under another name.
    let recipient = |name: &str| {
        let text = fixture(name);
        let line = text.lines().find(|line| line.contains("recipient:"));
        line.expect("a recipient").trim().to_owned()
    };
    let (iris, jade) = (recipient("iris.yaml"), recipient("jade.yaml"));
    let renamed = copied.replace(&iris, &jade);
    // A group of keys.
    let (before, rest) = shared.split_once("    age:\n").expect("recipients");
    let (list, after) = rest.split_once("    encrypted_regex").expect("recipients");
    let list = list.replace("\n    ", "\n          ");
    let grouped = format!("{before}    key_groups:\n      - age:\n      {list}");
    let grouped = format!("{}\n    encrypted_regex{after}", grouped.trim_end());

    for (what, file) in [
        ("copied", &copied),
        ("shared", &shared),
        ("renamed", &renamed),
        ("grouped", &grouped),
    ] {
        let [both, newcomer] = with_file(file, "");
        let is_of = |one: &String, name: &str| {
            one.contains("gitops/manifests-key") && one.contains(&format!("tenants/{name}-m.yaml:"))
        };
        assert!(
            both.iter().any(|one| is_of(one, "iris")) && both.iter().any(|one| is_of(one, "jade")),
            "{what}: {both:?}"
        );
        assert!(
            !newcomer.is_empty() && newcomer.iter().all(|one| is_of(one, "jade")),
            "{what}: {newcomer:?}"
        );
    }

    // A recovery key may be in every file, beside one of the tenant's own.
    let (_, age) = iris.split_once(' ').expect("a key");
    let list = format!("  sharedRecipients: [{age}]\n");
    let item = fixture("jade.yaml");
    let (_, own) = item.split_once("    age:\n").expect("recipients");
    let (own, _) = own.split_once("    encrypted_regex").expect("recipients");
    let two = shared.replace("    age:\n", &format!("    age:\n{own}"));
    let iris_file = fixture("iris.yaml").replace(
        "    age:\n",
        &format!(
            "    age:\n{}",
            own.replace(&jade, "recipient: age1other")
                .replace("YWdlLWVuY3J5", "YWdlLWVuY3J7")
        ),
    );
    let sandbox = fleet();
    sandbox.write("tenants/iris-m.yaml", iris_file);
    sandbox.write("tenants/jade-m.yaml", &two);
    assert!(!errors(&sandbox.run(&["check"])).is_empty());
    sandbox.write("tenants/fleet.yaml", format!("{FLEET}{list}"));
    sandbox.run(&["check"]).code(0);
    sandbox.write("tenants/jade-m.yaml", &shared);
    let found = errors(&sandbox.run(&["check"]));
    assert!(
        matches!(found.as_slice(), [one] if one.contains("jade-m.yaml")),
        "{found:?}"
    );
}

/// `iris` names the recipients of `jade`, or copies its ciphertext, before `jade` has a file. With each
/// spelling, the fleet's word decides, with a lock and without.
#[test]
fn a_recipient_of_the_fleet_is_its_tenants_whoever_named_it_first() {
    let recipient = |name: &str| {
        let text = fixture(name);
        let line = text.lines().find(|line| line.contains("recipient:"));
        let (_, age) = line
            .and_then(|line| line.split_once(": "))
            .expect("a recipient");
        age.to_owned()
    };
    let (iris, jade) = (recipient("iris.yaml"), recipient("jade.yaml"));
    let copied = fixture("jade.yaml").replace("namespace: jade", "namespace: iris");
    // An attacker's own data key; the victim's, under the attacker's recipient; the victim's file.
    let named = copied.replace("YWdlLWVuY3J5", "YWdlLWVuY3J6");
    let renamed = copied.replace(&jade, &iris);

    for (what, theft) in [("named", named), ("renamed", renamed), ("copied", copied)] {
        for stated in [jade.clone(), jade.to_ascii_uppercase()] {
            let sandbox = fleet();
            sandbox.write("tenants/iris-m.yaml", &theft);
            sandbox.write(
                "tenants/jade.yaml",
                tenant("jade", &key_of("jade")).replace("manifests: [jade-m.yaml],", ""),
            );
            sandbox.run(&["render"]).code(0);

            // Without the fleet's word, the newcomer errs, and its message says what the platform does.
            sandbox.write("tenants/jade.yaml", tenant("jade", &key_of("jade")));
            let all = sandbox.run(&["check"]).code(1).all();
            assert!(
                all.contains("held: jade\n") && all.contains("fleet.tenantRecipients"),
                "{what}: {all}"
            );

            let word =
                format!("  tenantRecipients: [{{tenant: jade, recipients: ['{stated}']}}]\n");
            sandbox.write("tenants/fleet.yaml", format!("{FLEET}{word}"));
            let all = sandbox.run(&["check"]).code(1).all();
            assert!(all.contains("held: iris\n"), "{what}: {all}");
            std::fs::remove_dir_all(sandbox.path().join("rendered")).expect("a folder");
            std::fs::remove_file(sandbox.path().join("tenantry.lock")).expect("a file");
            let all = sandbox.run(&["check"]).code(1).all();
            assert!(
                all.contains("held: iris\n"),
                "without a lock, {what}: {all}"
            );

            sandbox.write("tenants/iris-m.yaml", fixture("iris.yaml"));
            sandbox.run(&["check"]).code(0);
        }
    }

    for list in [
        "  sharedRecipients: [age1x]\n  tenantRecipients: [{tenant: jade, recipients: [AGE1X]}]\n",
        "  tenantRecipients: [{tenant: iris, recipients: [age1x]}, {tenant: jade, recipients: [age1X]}]\n",
    ] {
        let sandbox = fleet();
        sandbox.write("tenants/fleet.yaml", format!("{FLEET}{list}"));
        let all = sandbox.run(&["check"]).code(1).all();
        assert!(all.contains("error[tenancy/fleet]"), "{all}");
    }
}

/// A second recipient that both tenants' files name, each in a spelling of its own.
#[test]
fn a_recipient_in_another_spelling_is_the_same() {
    let with = |name: &str, list: &str| {
        let text = fixture(&format!("{name}.yaml"));
        text.replace("\nsops:\n", &format!("\nsops:\n    {list}\n"))
    };
    let full = "85D77543B3D624B63CEA9E6DBC17301B491B3F21";
    let spaced = "85D7 7543 B3D6 24B6 3CEA  9E6D BC17 301B 491B 3F21";
    let pairs = [
        (format!("pgp: [{{fp: {full}}}]"), format!("pgp: [{{fp: '{spaced}'}}]")),
        (
            "kms: [{arn: 'arn:aws:kms:eu-west-1:1:key/1'}]".into(),
            "kms: [{arn: 'arn:aws:kms:eu-west-1:1:key/1+arn:aws:iam::1:role/x'}]".into(),
        ),
        (
            "hc_vault: [{vault_address: 'https://v.org', engine_path: sops, key_name: k}]".into(),
            "hc_vault: [{vault_address: 'https://v.org:443/', engine_path: sops/, key_name: k}]".into(),
        ),
        (
            "azure_kv: [{vault_url: 'https://v.vault.azure.net', name: k}]".into(),
            "azure_kv: [{vault_url: 'https://v.vault.azure.net/', name: k}]".into(),
        ),
        (
            "gcp_kms: [{resource_id: projects/p/locations/l/keyRings/r/cryptoKeys/k}]".into(),
            "gcp_kms: [{resource_id: projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/2}]".into(),
        ),
    ];
    for (iris, jade) in pairs {
        let sandbox = fleet();
        sandbox.write("tenants/iris-m.yaml", with("iris", &iris));
        sandbox.run(&["check"]).code(0);
        sandbox.write("tenants/jade-m.yaml", with("jade", &jade));
        let all = sandbox.run(&["check"]).code(1).all();
        let says =
            all.contains("error[gitops/manifests-key]") && all.contains("to the recipient `");
        assert!(says, "{jade}: {all}");
    }

    for unread in [
        "pgp: [{fp: BC17301B491B3F21}]",
        "pgp: [{fp: 491B3F21}]",
        "kms: [{arn: 'arn:aws:kms:eu-west-1:1:alias/x'}]",
        "age: [{recipient: \"age1x\\u200b\", enc: x}]",
    ] {
        let sandbox = fleet();
        let text = match unread.starts_with("age") {
            true => fixture("iris.yaml").replace("recipient: age1", "recipient: \"age1\\u200b\" #"),
            false => with("iris", unread),
        };
        sandbox.write("tenants/iris-m.yaml", text);
        let all = sandbox.run(&["check"]).code(1).all();
        let says = all.contains("error[gitops/manifests-key]") && all.contains("held: iris\n");
        assert!(says, "{unread}: {all}");
    }

    // Readers of SOPS take keys in any case, and one item for a list.
    for hidden in [
        "KMS: [{arn: 'arn:aws:kms:eu-west-1:1:key/1', enc: x}]",
        "kms: [{Arn: 'arn:aws:kms:eu-west-1:1:key/1', Enc: x}]",
        "Key_Groups: [{kms: [{arn: 'arn:aws:kms:eu-west-1:1:key/1', enc: x}]}]",
        "key_groups: [{Kms: [{arn: 'arn:aws:kms:eu-west-1:1:key/1', enc: x}]}]",
        "key_groups: [[a]]",
        "kms: {arn: 'arn:aws:kms:eu-west-1:1:key/1', enc: x}",
        "kms: {arn: 'arn:aws:kms:eu-west-1:1:key/1', enc: x}",
        "kms: [a]",
    ] {
        let sandbox = fleet();
        sandbox.write("tenants/iris-m.yaml", with("iris", hidden));
        let all = sandbox.run(&["check"]).code(1).all();
        let says = all.contains("error[bundle/manifest-refused]") && all.contains("held: iris\n");
        assert!(says, "{hidden}: {all}");
    }

    for list in [
        "sharedRecipients: [491B3F21]",
        "sharedRecipients: ['https://vault.acme.org']",
        "tenantRecipients: [{tenant: iris, recipients: [my-key]}]",
        "tenantRecipients: [{tenant: iris, recipients: ['arn:aws:kms:eu-west-1:1:alias/x']}]",
    ] {
        let sandbox = fleet();
        sandbox.write("tenants/fleet.yaml", format!("{FLEET}  {list}\n"));
        let all = sandbox.run(&["check"]).code(1).all();
        assert!(all.contains("error[tenancy/fleet]"), "{list}: {all}");
    }
}

#[test]
fn flux_decrypts_with_the_key_of_the_tenant() {
    let Some(flux) = FluxLoop::get() else { return };
    for name in ["iris", "jade"] {
        let secret = format!("{name}.sops");
        let key = format!(
            "age.agekey={}",
            root()
                .join(format!("fixtures/sops/{name}.agekey"))
                .display()
        );
        let _ = flux
            .plane
            .kubectl(&["delete", "secret", &secret, "-n", "flux-system"]);
        let args = [
            "create",
            "secret",
            "generic",
            &secret,
            "-n",
            "flux-system",
            "--from-file",
            &key,
        ];
        ok(&flux.plane.kubectl(&args));
    }
    let repo = fleet();
    repo.git(&["init", "-q", "-b", "main"]);
    repo.run(&["render"]).code(0);
    let head = commit(&repo);
    flux.serve(&repo);

    let password = |name: &str| {
        let args = [
            "get",
            "secret",
            "db",
            "-n",
            name,
            "-o",
            "jsonpath={.data.password}",
        ];
        flux.plane.kubectl(&args).out
    };
    for (name, value) in [("iris", "b2YtaXJpcw=="), ("jade", "b2YtamFkZQ==")] {
        flux.until(name, || password(name) == value);
    }

    // `jade` copies what `iris` encrypted, past the check: its key opens nothing of `iris`.
    let file = "rendered/live/manifests/jade/jade.yaml";
    let copied = fixture("iris.yaml").replace("namespace: iris", "namespace: jade");
    let own = repo.read(file);
    let start = own.find("apiVersion").expect("an object");
    repo.write(file, format!("{}{copied}", &own[..start]));
    let next = commit(&repo);
    flux.push(&repo);
    flux.until("the copy", || {
        flux.status("manifests-jade", "lastAttemptedRevision")
            .contains(&next)
            && flux.status("manifests-jade", "conditions[?(@.type=='Ready')].status") == "False"
    });
    flux.until("the neighbour", || {
        flux.status("manifests-iris", "lastAppliedRevision")
            .contains(&next)
            && flux
                .status("tenants-shard-00", "lastAppliedRevision")
                .contains(&next)
    });
    assert!(!head.is_empty() && password("jade") == "b2YtamFkZQ==");
}

/// Commits everything. Returns the commit.
fn commit(repo: &Sandbox) -> String {
    repo.git(&["add", "-A"]);
    assert_eq!(repo.git(&["commit", "-q", "-m", "more"]).code, 0);
    repo.git(&["rev-parse", "HEAD"]).out.trim().to_owned()
}
