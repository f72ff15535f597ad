//! A server that is asked before anybody knows what is rendered.

use super::Fault;
use super::args::{Connect, Verify};
use super::cluster::Server;
use super::pages::Coming;
use std::collections::BTreeMap;
use std::thread::JoinHandle;
use tenantry::live::{Gap, Purpose, Served, listings};

/// Where Flux is, where nothing else is said.
pub const FLUX: &str = "flux-system";

/// What the lists are for.
pub fn purpose(args: &Verify) -> Purpose {
    if args.snapshot.is_some() { Purpose::Prove } else { Purpose::Verify }
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
        Ok(Self { server, served: None, begun: Vec::new() })
    }
}

/// The first cluster's server, which is asked while the fleet is read and rendered: for what is listed whatever is rendered.
pub struct Ahead {
    /// Its context.
    pub context: Option<String>,
    task: JoinHandle<Result<Reached, Fault>>,
}

impl Ahead {
    /// Of the context that will be asked, where that needs no fleet to be known.
    pub fn likely(args: &Verify) -> Option<Self> {
        let context = args.connect.context.first();
        let plain = context.is_none_or(|text| !text.contains('='));
        (plain && !args.print_capabilities).then(|| Self::of(context.cloned(), args))
    }

    /// Of a context.
    pub fn of(context: Option<String>, args: &Verify) -> Self {
        // What takes lists of some namespaces alone, or lists alone, begins when it knows which.
        let waits = args.bare || !args.tenant.is_empty();
        let (connect, purpose, named) = (args.connect.clone(), purpose(args), context.clone());
        let task = std::thread::spawn(move || {
            let reached = Reached::new(named.as_deref(), &connect)?;
            let served = reached.server.served()?;
            let lists = if waits { Vec::new() } else { listings(&served.0, &BTreeMap::new(), FLUX, purpose) };
            let begun = reached.server.begin(lists);
            Ok(Reached { served: Some(served), begun, ..reached })
        });
        Self { context, task }
    }

    /// What came of it.
    pub fn reached(self) -> Option<Result<Reached, Fault>> {
        self.task.join().ok()
    }
}
