//! A server that is asked before anybody knows what is rendered.

use super::Fault;
use super::api_server::Server;
use super::args::{Connect, Verify};
use super::lists::Coming;
use std::collections::BTreeMap;
use std::thread::JoinHandle;
use tenantry::live::{FLUX, Gap, Purpose, Served, listings};

/// What the lists are for.
pub fn purpose(args: &Verify) -> Purpose {
    if args.snapshot.is_some() {
        Purpose::Prove
    } else {
        Purpose::Verify
    }
}

/// A server that was reached, and what is on its way from it.
pub struct Reached {
    /// The server.
    pub server: Server,
    /// What it serves, where that was asked already.
    pub served: Option<(Served, Vec<Gap>)>,
    /// Lists that were begun.
    pub begun: Vec<Coming>,
}

impl Reached {
    /// Reaches the server of a context.
    pub fn new(context: Option<&str>, connect: &Connect) -> Result<Self, Fault> {
        let server = Server::connect(context, connect)?;
        Ok(Self {
            server,
            served: None,
            begun: Vec::new(),
        })
    }
}

/// A server that is asked, while the fleet is rendered, for what is listed whatever is rendered.
pub struct Ahead(JoinHandle<Result<Reached, Fault>>);

impl Ahead {
    /// Begins with the server of a context.
    pub fn of(context: Option<String>, args: &Verify) -> Self {
        let (connect, purpose) = (args.connect.clone(), purpose(args));
        Self(std::thread::spawn(move || {
            let reached = Reached::new(context.as_deref(), &connect)?;
            let served = reached.server.served()?;
            let lists = listings(&served.0, &BTreeMap::new(), FLUX, purpose);
            let begun = reached.server.begin(lists);
            Ok(Reached {
                served: Some(served),
                begun,
                ..reached
            })
        }))
    }

    /// What came of it.
    pub fn reached(self) -> Result<Reached, Fault> {
        self.0
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    }
}
