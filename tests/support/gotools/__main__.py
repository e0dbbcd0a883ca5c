from tests.support.gotools import main

main()
