//! TLS in front of a receiver that speaks none: a proxy that ends the encryption.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use crate::certificates::Authority;

/// A running proxy; dropping it stops it.
#[derive(Debug)]
pub struct TlsProxy {
    /// Where it listens, on `localhost`.
    pub port: u16,
    /// The certificate of the authority that signed its own, as PEM.
    pub authority: String,
    _runtime: Runtime,
}

impl TlsProxy {
    /// In front of this port, which speaks HTTP/2 (`h2`) or HTTP/1.1 (`http/1.1`).
    pub fn start(target: u16, protocol: &str) -> Self {
        Self::with(target, protocol, &Authority::new(), false)
    }

    /// The same with a certificate of this authority, for clients that have one of it too.
    pub fn mutual(target: u16, protocol: &str, authority: &Authority) -> Self {
        Self::with(target, protocol, authority, true)
    }

    fn with(target: u16, protocol: &str, authority: &Authority, mutual: bool) -> Self {
        let own = authority.sign("localhost");
        let certificate = CertificateDer::from_pem_slice(own.pem.as_bytes()).expect("a certificate");
        let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes()).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("TLS versions");
        let builder = if mutual {
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(authority.pem().as_bytes()).expect("a certificate"))
                .expect("an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        } else {
            builder.with_no_client_auth()
        };
        let mut server = builder.with_single_cert(vec![certificate], key).expect("a certificate and its key");
        server.alpn_protocols = vec![protocol.as_bytes().to_vec()];

        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
        let listener = runtime.block_on(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        runtime.spawn(serve(listener, TlsAcceptor::from(Arc::new(server)), (Ipv4Addr::LOCALHOST, target).into()));
        Self { port, authority: authority.pem(), _runtime: runtime }
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, target: SocketAddr) {
    while let Ok((stream, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that does not trust us, or that we do not trust, ends here.
            let Ok(mut inside) = acceptor.accept(stream).await else { return };
            let Ok(mut outside) = TcpStream::connect(target).await else { return };
            let _ = copy_bidirectional(&mut inside, &mut outside).await;
        });
    }
}
