//! Finds out how a cluster is reached: the kubeconfig, the credentials and the proxy.

use super::credential_error::causes;
use super::credential_text::take_authority;
use super::credentials::CredentialSource;
use crate::cli::CliError;
use crate::cli::args::ConnectArgs;
use crate::cli::bounded::{self, MAX_KUBECONFIG};
use crate::cli::encoding::decoded;
use hyper_util::client::proxy::matcher::Matcher;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tenantry::report::plain;
use tenantry::spec::one_of_these;

/// The longest time to connect, in seconds.
const MAX_CONNECT_SECONDS: u64 = 10;

/// What a user can do without a kubeconfig.
const NAME_ONE: &str = "set KUBECONFIG, or write ~/.kube/config";

/// The way to a cluster.
pub struct ServerTarget {
    /// The name to show: the context, or the address of the server.
    pub name: String,
    /// The address, the proxy, the timeouts, and the credentials that do not expire.
    pub config: Config,
    /// Where the other credentials come from.
    pub credentials: CredentialSource,
    /// Whose credentials they are, and in which file.
    pub user: String,
}

impl ServerTarget {
    /// Resolves a context of the kubeconfig, or the current one if `context` is `None`. Without a
    /// current context, the target is the cluster that this process runs in.
    pub async fn resolve(context: Option<&str>, connect: &ConnectArgs) -> Result<Self, CliError> {
        let (kubeconfig, files) = read_kubeconfig()?;
        let current = kubeconfig
            .as_ref()
            .and_then(|file| file.current_context.clone());
        let name = context.map(str::to_owned).or(current).unwrap_or_default();

        let mut config = match &kubeconfig {
            Some(kubeconfig) if !name.is_empty() => of_context(kubeconfig, &name).await?,
            None if context.is_some() => {
                let text = format!("there is no kubeconfig for the context `{name}`: {NAME_ONE}");
                return Err(misconfigured(text));
            }
            _ => in_cluster()?,
        };

        let own_proxy = kubeconfig
            .as_ref()
            .and_then(|kubeconfig| context_proxy(kubeconfig, &name));
        config.proxy_url = choose_proxy(&config.cluster_url, own_proxy).map_err(misconfigured)?;
        let user = match &kubeconfig {
            Some(kubeconfig) if !name.is_empty() => files.user_of(kubeconfig, &name),
            _ => "the pod's service account".to_owned(),
        };
        let credentials = CredentialSource::take(&mut config.auth_info, &user)
            .map_err(|e| misconfigured(e.text))?;

        let timeout = connect.request_timeout;
        config.connect_timeout = Some(Duration::from_secs(timeout.min(MAX_CONNECT_SECONDS)));
        config.default_retry = false;

        let name = if name.is_empty() {
            config.cluster_url.to_string()
        } else {
            name
        };

        Ok(Self {
            name,
            config,
            credentials,
            user,
        })
    }
}

/// The fault that no file says how a cluster is reached. The text may come from a file.
fn misconfigured(text: String) -> CliError {
    CliError::Kubeconfig(plain(&text))
}

async fn of_context(kubeconfig: &Kubeconfig, name: &str) -> Result<Config, CliError> {
    let mut contexts = kubeconfig.contexts.iter();
    if !contexts.any(|context| context.name == name) {
        let known = kubeconfig.contexts.iter().map(|one| one.name.as_str());
        return Err(misconfigured(format!(
            "no kubeconfig has the context `{name}`; {}",
            one_of_these(name, known)
        )));
    }

    let mut kubeconfig = kubeconfig.clone();
    if let Some(named) = cluster_of(&kubeconfig, name) {
        let named = named.to_owned();
        let mut clusters = kubeconfig.clusters.iter_mut();
        let cluster = clusters.find(|cluster| cluster.name == named);
        if let Some(cluster) = cluster.and_then(|entry| entry.cluster.as_mut()) {
            take_authority(cluster, &named).map_err(|e| misconfigured(e.text))?;
        }
    }

    let options = KubeConfigOptions {
        context: Some(name.to_owned()),
        ..KubeConfigOptions::default()
    };

    Config::from_custom_kubeconfig(kubeconfig, &options)
        .await
        .map_err(|e| misconfigured(format!("the context `{name}`: {}", causes(&e))))
}

fn in_cluster() -> Result<Config, CliError> {
    Config::incluster().map_err(|_| {
        misconfigured(format!(
            "no kubeconfig has a current context, and the program does not run in a cluster: \
             {NAME_ONE}"
        ))
    })
}

/// The file that each user of a kubeconfig comes from.
#[derive(Default)]
struct UserFiles(BTreeMap<String, PathBuf>);

impl UserFiles {
    /// Names the user of a context, and the file of its entry.
    fn user_of(&self, kubeconfig: &Kubeconfig, context: &str) -> String {
        let mut contexts = kubeconfig.contexts.iter();
        let context = contexts.find(|named| named.name == context);
        let user = context.and_then(|named| named.context.as_ref()?.user.as_deref());
        let user = user.unwrap_or_default();

        match self.0.get(user) {
            Some(file) => format!("the user `{user}` in {}", file.display()),
            None => format!("the user `{user}`"),
        }
    }

    /// Notes the users of a file. The first file that has a user counts.
    fn add(&mut self, file: &Path, kubeconfig: &Kubeconfig) {
        for user in &kubeconfig.auth_infos {
            let known = self.0.entry(user.name.clone());
            known.or_insert_with(|| file.to_owned());
        }
    }
}

/// Reads the kubeconfig: the existing files that KUBECONFIG names, merged so that the first one
/// wins; else the file in the home folder. `None` if there is no file. Returns the file of each user
/// too.
fn read_kubeconfig() -> Result<(Option<Kubeconfig>, UserFiles), CliError> {
    let named = std::env::var_os("KUBECONFIG").filter(|value| !value.is_empty());
    let files: Vec<PathBuf> = match &named {
        Some(list) => std::env::split_paths(list)
            .filter(|path| !path.as_os_str().is_empty())
            .collect(),
        None => std::env::home_dir()
            .map(|home| home.join(".kube/config"))
            .into_iter()
            .collect(),
    };

    let mut merged: Option<Kubeconfig> = None;
    let mut users = UserFiles::default();
    for file in files.iter().filter(|file| file.exists()) {
        let mut next = read_one(file).map_err(|why| {
            misconfigured(format!(
                "{} cannot be read as a kubeconfig: {why}",
                file.display()
            ))
        })?;
        next.current_context = next.current_context.filter(|context| !context.is_empty());

        users.add(file, &next);
        merged = Some(match merged {
            Some(before) => before.merge(next).map_err(|e| misconfigured(causes(&e)))?,
            None => next,
        });
    }

    if merged.is_none() && named.is_some() {
        let names: Vec<String> = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        return Err(misconfigured(format!(
            "KUBECONFIG names no file that exists: {}",
            names.join(", ")
        )));
    }

    Ok((merged, users))
}

/// Reads a file of the kubeconfig. The files that it names are relative to its folder.
fn read_one(file: &Path) -> Result<Kubeconfig, String> {
    let bytes = bounded::read(file, MAX_KUBECONFIG).map_err(|e| e.to_string())?;
    let text = decoded(bytes).ok_or("it is not UTF-8")?;
    // The message of the parser may show a credential.
    let mut kubeconfig =
        Kubeconfig::from_yaml(&text).map_err(|_| "it is not YAML of the form Config")?;

    let folder = file.parent().unwrap_or(file);
    let resolve = |named: &mut Option<String>| {
        let path = named.take().filter(|path| !path.is_empty());
        *named = path.map(|path| folder.join(path).to_string_lossy().into_owned());
    };

    let clusters = kubeconfig.clusters.iter_mut();
    for cluster in clusters.filter_map(|named| named.cluster.as_mut()) {
        resolve(&mut cluster.certificate_authority);
    }
    let users = kubeconfig.auth_infos.iter_mut();
    for user in users.filter_map(|named| named.auth_info.as_mut()) {
        resolve(&mut user.client_certificate);
        resolve(&mut user.client_key);
        resolve(&mut user.token_file);
        if let Some(exec) = &mut user.exec {
            // A name alone is searched in PATH.
            let is_path = |command: &String| command.contains(std::path::MAIN_SEPARATOR);
            if exec.command.as_ref().is_some_and(is_path) {
                resolve(&mut exec.command);
            }
        }
    }
    Ok(kubeconfig)
}

/// The name of the cluster of a context.
fn cluster_of<'a>(kubeconfig: &'a Kubeconfig, context: &str) -> Option<&'a str> {
    let mut contexts = kubeconfig.contexts.iter();
    let context = contexts.find(|named| named.name == context)?;
    Some(&context.context.as_ref()?.cluster)
}

/// The proxy that the kubeconfig names for the cluster of a context.
fn context_proxy(kubeconfig: &Kubeconfig, context: &str) -> Option<String> {
    let named = cluster_of(kubeconfig, context)?;
    let mut clusters = kubeconfig.clusters.iter();
    let cluster = clusters.find(|cluster| cluster.name == named)?;
    let cluster = cluster.cluster.as_ref()?;

    cluster.proxy_url.clone().filter(|url| !url.is_empty())
}

/// Chooses the proxy on the way to a cluster, as kubectl does: the one that the kubeconfig names;
/// else HTTPS_PROXY, except for this machine and the hosts of NO_PROXY. (The client's library
/// compares NO_PROXY with the address of the proxy, not with that of the cluster.)
fn choose_proxy(
    cluster: &http::Uri,
    own_proxy: Option<String>,
) -> Result<Option<http::Uri>, String> {
    let url = match (own_proxy, variable(["HTTPS_PROXY", "https_proxy"])) {
        (Some(url), _) => url,
        (None, Some(url)) if !is_loopback(cluster) => {
            let excluded = variable(["NO_PROXY", "no_proxy"]).unwrap_or_default();
            let matcher = Matcher::builder().https(url.as_str()).no(excluded).build();
            if matcher.intercept(cluster).is_none() {
                return Ok(None);
            }
            url
        }
        _ => return Ok(None),
    };

    let url = if url.contains("://") {
        url
    } else {
        format!("http://{url}")
    };

    match url.parse() {
        Ok(url) => Ok(Some(url)),
        Err(_) => {
            Err("the proxy's address is not valid: check proxy-url and HTTPS_PROXY".to_owned())
        }
    }
}

/// The first environment variable that has a value.
fn variable(names: [&str; 2]) -> Option<String> {
    names
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

fn is_loopback(cluster: &http::Uri) -> bool {
    let host = cluster
        .host()
        .unwrap_or_default()
        .trim_start_matches('[')
        .trim_end_matches(']');

    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}
