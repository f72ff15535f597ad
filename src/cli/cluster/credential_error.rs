//! Why there is no credential for a cluster.

use crate::cli::CliError;
use tenantry::report::plain;

/// The reason why there is no credential.
#[derive(Debug)]
pub struct CredentialError {
    /// The message.
    pub text: String,
    /// Whether the time of the run was over.
    pub is_late: bool,
}

impl CredentialError {
    /// Creates an error that does not pass by itself.
    pub const fn refused(text: String) -> Self {
        Self {
            text,
            is_late: false,
        }
    }

    /// Creates an error at the end of the run's time.
    pub const fn late(text: String) -> Self {
        Self {
            text,
            is_late: true,
        }
    }

    /// Turns the error into a fault of the whole run.
    pub fn fault(self, server: &str) -> CliError {
        let text = format!("`{}`: {}", plain(server), self.text);
        if self.is_late {
            CliError::Unavailable(text)
        } else {
            CliError::Cluster(text)
        }
    }
}

/// Joins the messages of an error and of its causes, each once. No credential is in the result.
pub fn causes(error: &(dyn std::error::Error + 'static)) -> String {
    let chain = || std::iter::successors(Some(error), |e| e.source());

    let mut all: Vec<String> = Vec::new();
    for cause in chain() {
        let text = plain(&cause.to_string());
        if !all.iter().any(|before| before.contains(&text)) {
            all.push(text);
        }
    }

    all.join(": ")
}
