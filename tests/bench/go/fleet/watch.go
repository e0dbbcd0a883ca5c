package main

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net/http"
	"os"
)

// follow watches a collection of the API server, as barely as can be, and stamps the line that has the mark. It speaks
// HTTP/1.1, as the server that is measured does.
func (f *fleet) follow(url, ca, token string) error {
	pem, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	request, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	client := &http.Client{Transport: &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		TLSNextProto:    map[string]func(string, *tls.Conn) http.RoundTripper{},
	}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	f.follows.Store(true)
	go func() {
		defer response.Body.Close()
		for lines := bufio.NewReaderSize(response.Body, 1<<20); ; {
			line, err := lines.ReadSlice('\n')
			now := clock()
			if m := f.mark.Load(); m != nil && m.line != nil && bytes.Contains(line, m.text) {
				select {
				case m.line <- now:
				default: // another line with the mark came before
				}
			}
			if err != nil {
				return
			}
		}
	}()
	return nil
}
