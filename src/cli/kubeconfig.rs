//! Finds out how a cluster is reached: the kubeconfig, the credentials and the proxy.

use super::CliError;
use super::args::ConnectArgs;
use super::credentials::CredentialSource;
use super::http::causes;
use hyper_util::client::proxy::matcher::Matcher;
use kube::Config;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tenantry::report::plain;

/// The longest time to connect, in seconds.
const MAX_CONNECT_SECONDS: u64 = 10;

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
                let text = format!("the context `{name}`: there is no kubeconfig");
                return Err(unreachable(text));
            }
            _ => in_cluster()?,
        };

        let own_proxy = kubeconfig
            .as_ref()
            .and_then(|kubeconfig| context_proxy(kubeconfig, &name));
        config.proxy_url = choose_proxy(&config.cluster_url, own_proxy).map_err(unreachable)?;
        let user = match &kubeconfig {
            Some(kubeconfig) if !name.is_empty() => files.user_of(kubeconfig, &name),
            _ => "the pod's service account".to_owned(),
        };
        let credentials = CredentialSource::take(&mut config.auth_info, &user)
            .map_err(|e| unreachable(e.text))?;

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

/// The fault of a cluster that cannot be reached. The text may come from a file or a server.
pub fn unreachable(text: String) -> CliError {
    CliError::Cluster(plain(&text))
}

async fn of_context(kubeconfig: &Kubeconfig, name: &str) -> Result<Config, CliError> {
    let options = KubeConfigOptions {
        context: Some(name.to_owned()),
        ..KubeConfigOptions::default()
    };

    Config::from_custom_kubeconfig(kubeconfig.clone(), &options)
        .await
        .map_err(|e| unreachable(format!("the context `{name}`: {}", causes(&e))))
}

fn in_cluster() -> Result<Config, CliError> {
    Config::incluster().map_err(|e| {
        unreachable(format!(
            "there is no current context, and no cluster that this runs in: {}",
            causes(&e)
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
        // The message of the parser may show a credential.
        let mut next = Kubeconfig::read_from(file).map_err(|_| {
            CliError::Cluster(format!("{} cannot be read as a kubeconfig", file.display()))
        })?;
        next.current_context = next.current_context.filter(|context| !context.is_empty());

        users.add(file, &next);
        merged = Some(match merged {
            Some(before) => before
                .merge(next)
                .map_err(|e| CliError::Cluster(causes(&e)))?,
            None => next,
        });
    }

    if merged.is_none() && named.is_some() {
        let names: Vec<String> = files
            .iter()
            .map(|file| file.display().to_string())
            .collect();
        return Err(CliError::Cluster(format!(
            "KUBECONFIG names no file that is there: {}",
            plain(&names.join(", "))
        )));
    }

    Ok((merged, users))
}

/// The proxy that the kubeconfig names for the cluster of a context.
fn context_proxy(kubeconfig: &Kubeconfig, context: &str) -> Option<String> {
    let context = kubeconfig
        .contexts
        .iter()
        .find(|named| named.name == context)?
        .context
        .as_ref()?;
    let cluster = kubeconfig
        .clusters
        .iter()
        .find(|named| named.name == context.cluster)?
        .cluster
        .as_ref()?;

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
