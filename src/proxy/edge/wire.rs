//! What the two gates have in common as streams of Pingora: all but reading is the socket's own affair.

/// Hands everything but reading and shutting down on to `self.io`.
macro_rules! passes_on {
    ($gate:ty) => {
        impl tokio::io::AsyncWrite for $gate {
            fn poll_write(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                bytes: &[u8],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let this = self.get_mut();
                let written = std::task::ready!(std::pin::Pin::new(&mut this.io).poll_write(context, bytes));
                std::task::Poll::Ready(written.inspect(|&bytes| this.sent(bytes)))
            }

            fn poll_write_vectored(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
                pieces: &[std::io::IoSlice<'_>],
            ) -> std::task::Poll<std::io::Result<usize>> {
                let this = self.get_mut();
                let written = std::task::ready!(std::pin::Pin::new(&mut this.io).poll_write_vectored(context, pieces));
                std::task::Poll::Ready(written.inspect(|&bytes| this.sent(bytes)))
            }

            fn is_write_vectored(&self) -> bool {
                self.io.is_write_vectored()
            }

            fn poll_flush(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::pin::Pin::new(&mut self.get_mut().io).poll_flush(context)
            }

            fn poll_shutdown(
                self: std::pin::Pin<&mut Self>,
                context: &mut std::task::Context<'_>,
            ) -> std::task::Poll<std::io::Result<()>> {
                std::pin::Pin::new(&mut self.get_mut().io).poll_shutdown(context)
            }
        }

        impl pingora::protocols::UniqueID for $gate {
            fn id(&self) -> pingora::protocols::UniqueIDType {
                self.io.id()
            }
        }

        impl pingora::protocols::Ssl for $gate {
            fn get_ssl_digest(&self) -> Option<std::sync::Arc<pingora::protocols::tls::SslDigest>> {
                self.io.get_ssl_digest()
            }

            fn selected_alpn_proto(&self) -> Option<pingora::protocols::ALPN> {
                self.io.selected_alpn_proto()
            }
        }

        impl pingora::protocols::GetTimingDigest for $gate {
            fn get_timing_digest(&self) -> Vec<Option<pingora::protocols::TimingDigest>> {
                self.io.get_timing_digest()
            }
        }

        impl pingora::protocols::GetProxyDigest for $gate {
            fn get_proxy_digest(&self) -> Option<std::sync::Arc<pingora::protocols::raw_connect::ProxyDigest>> {
                self.io.get_proxy_digest()
            }
        }

        impl pingora::protocols::GetSocketDigest for $gate {
            fn get_socket_digest(&self) -> Option<std::sync::Arc<pingora::protocols::SocketDigest>> {
                self.io.get_socket_digest()
            }
        }
    };
}

pub(super) use passes_on;
