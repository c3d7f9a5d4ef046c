//! TLS in front of a receiver that speaks none: certificates made on the spot, and a proxy that ends the encryption.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

/// A proxy at work; it ends when it is dropped.
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
        let mut authority = CertificateParams::new(Vec::new()).expect("no names");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("an authority");
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::new(vec!["localhost".to_owned()]).expect("a name");
        let certificate = certificate.signed_by(&key, &authority).expect("a certificate");

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("TLS versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], PrivateKeyDer::Pkcs8(key.serialize_der().into()))
            .expect("a certificate and its key");
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
            // A client that does not trust us ends here.
            let Ok(mut inside) = acceptor.accept(stream).await else { return };
            let Ok(mut outside) = TcpStream::connect(target).await else { return };
            let _ = copy_bidirectional(&mut inside, &mut outside).await;
        });
    }
}
